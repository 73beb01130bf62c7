package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// worker does one operation after the other on a connection of its own.
type worker struct {
	*connection
	operate   operation
	latencies []time.Duration
	bytes     int64
}

// drive is a closed loop: every connection has one request under way at any time.
func drive(o *options) (*report, error) {
	workers, err := newWorkers(o)
	if err != nil {
		return nil, err
	}
	var next atomic.Int64
	next.Store(int64(o.first))
	if o.warm > 0 {
		if err := phase(workers, &next, forTime(o.warm)); err != nil {
			return nil, err
		}
	}
	for _, w := range workers {
		w.latencies, w.bytes = nil, 0
	}
	until := forTime(o.duration)
	if o.duration == 0 {
		until = limit{numbers: int64(o.first + o.count)}
	}
	stopwatch := startStopwatch(o.processes)
	err = phase(workers, &next, until)
	took, servers, client := stopwatch.stop()
	if err != nil {
		return nil, err
	}
	var latencies []time.Duration
	var bytes int64
	for _, w := range workers {
		latencies = append(latencies, w.latencies...)
		bytes += w.bytes
	}
	if len(latencies) == 0 {
		return nil, fmt.Errorf("nothing was done in %s", took)
	}
	result := newReport(took, bytes, latencies, servers, client)
	result.Numbers = int(next.Load())
	return result, nil
}

func newWorkers(o *options) ([]*worker, error) {
	e, err := newEndpoint(o)
	if err != nil {
		return nil, err
	}
	workers := make([]*worker, o.connections)
	for i := range workers {
		operate, err := newOperation(o, e)
		if err != nil {
			return nil, err
		}
		connection, err := e.connect()
		if err != nil {
			return nil, err
		}
		workers[i] = &worker{connection: connection, operate: operate}
	}
	return workers, nil
}

// limit ends a phase: at a time, or when all numbers below one are used.
type limit struct {
	end     time.Time
	numbers int64
}

func forTime(duration time.Duration) limit {
	return limit{end: time.Now().Add(duration)}
}

func (l limit) timeIsUp() bool {
	return l.numbers == 0 && time.Now().After(l.end)
}

func (l limit) excludes(number int64) bool {
	return l.numbers > 0 && number >= l.numbers
}

// phase lets all workers work up to the limit; returns when the last has finished.
func phase(workers []*worker, next *atomic.Int64, until limit) error {
	var all sync.WaitGroup
	failures := make(chan error, len(workers))
	for _, w := range workers {
		all.Go(func() {
			if err := w.work(next, until); err != nil {
				failures <- err
			}
		})
	}
	all.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

func (w *worker) work(next *atomic.Int64, until limit) error {
	for !until.timeIsUp() {
		number := next.Add(1) - 1
		if until.excludes(number) {
			break
		}
		started := time.Now()
		read, err := w.operate(w.connection, int(number))
		if err != nil {
			return err
		}
		w.latencies = append(w.latencies, time.Since(started))
		w.bytes += read
	}
	return nil
}
