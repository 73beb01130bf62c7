package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	warmEvents   = 20
	writers      = 8
	deliveryTime = 30 * time.Second // after which a missing event is a failure
)

// watcher reads one watch; latencies are those of the events that are measured.
type watcher struct {
	*connection
	body      io.Reader
	latencies []time.Duration
	bytes     int64
}

// audience is all watchers, and how many events have reached them together.
type audience struct {
	watchers  []*watcher
	delivered atomic.Int64
	all       sync.WaitGroup
}

// watch creates objects at a steady rate; the latency of an event is the time from just before its create request is
// sent to the line's arrival at the watcher. An operation is one event at one watcher.
func watch(o *options) (*report, error) {
	e, err := newEndpoint(o)
	if err != nil {
		return nil, err
	}
	a, err := openWatches(o, e)
	if err != nil {
		return nil, err
	}
	sender, err := newSender(o, e)
	if err != nil {
		return nil, err
	}
	if err := a.deliver(sender, warmEvents); err != nil {
		return nil, err
	}
	stopwatch := startStopwatch(o.processes)
	err = a.deliver(sender, o.count)
	took, servers, client := stopwatch.stop()
	if err != nil {
		return nil, err
	}
	var latencies []time.Duration
	var total int64
	for _, w := range a.watchers {
		w.Close()
	}
	a.all.Wait()
	for _, w := range a.watchers {
		latencies = append(latencies, w.latencies[warmEvents:]...)
		total += w.bytes * int64(o.count) / int64(len(w.latencies))
	}
	result := newReport(took, total, latencies, servers, client)
	result.Numbers = sender.next
	return result, nil
}

func openWatches(o *options, e *endpoint) (*audience, error) {
	revision, err := revisionOf(e)
	if err != nil {
		return nil, err
	}
	request := e.get("?watch=1&timeoutSeconds=600&resourceVersion=" + revision)
	a := &audience{watchers: make([]*watcher, o.connections)}
	for i := range a.watchers {
		c, err := e.connect()
		if err != nil {
			return nil, err
		}
		response, err := c.send(request)
		if err != nil {
			return nil, err
		}
		w := &watcher{connection: c, body: response.Body}
		a.watchers[i] = w
		a.all.Go(func() { w.read(&a.delivered) })
	}
	return a, nil
}

func revisionOf(e *endpoint) (string, error) {
	c, err := e.connect()
	if err != nil {
		return "", err
	}
	defer c.Close()
	response, err := c.send(e.get("?limit=1"))
	if err != nil {
		return "", err
	}
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	err = json.NewDecoder(response.Body).Decode(&list)
	return list.Metadata.ResourceVersion, err
}

// read counts events until the connection is closed. A chunk may end anywhere: what follows the last newline is kept.
func (w *watcher) read(delivered *atomic.Int64) {
	buffer, kept := make([]byte, 64<<10), 0
	for {
		n, err := w.body.Read(buffer[kept:])
		now := time.Now().UnixNano()
		lines := buffer[:kept+n]
		for {
			line, rest, found := bytes.Cut(lines, []byte{'\n'})
			if !found {
				break
			}
			sent, _ := strconv.ParseInt(stringMember(line, "sent"), 10, 64)
			w.latencies = append(w.latencies, time.Duration(now-sent))
			w.bytes += int64(len(line))
			delivered.Add(1)
			lines = rest
		}
		kept = copy(buffer, lines)
		if err != nil || kept == len(buffer) {
			return
		}
	}
}

// deliver sends events and waits until every watcher has them.
func (a *audience) deliver(s *sender, events int) error {
	wanted := a.delivered.Load() + int64(events*len(a.watchers))
	if err := s.send(events); err != nil {
		return err
	}
	for deadline := time.Now().Add(deliveryTime); a.delivered.Load() < wanted; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d events have not been delivered after %s", wanted-a.delivered.Load(), deliveryTime)
		}
	}
	return nil
}

// sender creates objects on a few connections in turn, on time even when one create is slow.
type sender struct {
	*options
	endpoint *endpoint
	numbers  chan int
	results  chan error
	next     int
}

func newSender(o *options, e *endpoint) (*sender, error) {
	s := &sender{o, e, make(chan int, o.count+warmEvents), make(chan error, o.count+warmEvents), 0}
	for range writers {
		c, err := e.connect()
		if err != nil {
			return nil, err
		}
		go func() {
			for number := range s.numbers {
				_, err := c.exchange(create(s.options, s.endpoint, number))
				s.results <- err
			}
		}()
	}
	return s, nil
}

func (s *sender) send(events int) error {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / s.rate))
	defer ticker.Stop()
	for range events {
		<-ticker.C
		s.numbers <- s.next
		s.next++
	}
	for range events {
		if err := <-s.results; err != nil {
			return err
		}
	}
	return nil
}
