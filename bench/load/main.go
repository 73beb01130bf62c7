// Load drives one collection of a Kubernetes-style server over TLS and prints one JSON object: throughput, latency, and
// the CPU that named server processes spent per operation. It speaks HTTP/1.1 over prepared connections, with prepared
// requests, so that it costs a fraction of what any server does.
//
// A run has a warm-up, in which nothing is counted, and a measurement by the same connections. Any answer that is not a
// success ends it with exit code 1.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

type options struct {
	mode        string
	url         string // of the collection
	caFile      string
	token       string
	connections int
	warm        time.Duration // for modes that end by time
	duration    time.Duration
	count       int    // operations, for modes that end by count; events, for watch
	first       int    // number of an operation
	objects     int    // that the collection holds under prefix
	prefix      string // of object names, which end with -NUMBER
	template    string // an object, with NAME and SENT to be filled in
	query       string
	gzip        bool
	rate        float64 // events per second, for watch
	processes   map[string]int
}

func main() {
	settings := flags()
	report, err := run(settings)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(report)
}

func flags() *options {
	o := &options{processes: map[string]int{}}
	flag.StringVar(&o.mode, "mode", "get", "get | list | changed-list | page | create | delete | watch")
	flag.StringVar(&o.url, "url", "", "the collection: https://HOST:PORT/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL")
	flag.StringVar(&o.caFile, "ca", "", "file of the authority of the server's certificate")
	flag.StringVar(&o.token, "token", "", "bearer token")
	flag.IntVar(&o.connections, "connections", 1, "connections that work at a time; watch: watchers")
	flag.DurationVar(&o.warm, "warm", 0, "how long to warm up")
	flag.DurationVar(&o.duration, "duration", 0, "how long to measure; 0: until -count operations are done")
	flag.IntVar(&o.count, "count", 0, "operations to do; watch: events to send")
	flag.IntVar(&o.first, "first", 0, "number that operations count from")
	flag.IntVar(&o.objects, "objects", 1, "objects to choose from, named PREFIX-0 and so on")
	flag.StringVar(&o.prefix, "prefix", "load", "what objects' names begin with")
	flag.StringVar(&o.template, "template", "", "an object in JSON; NAME and SENT in it are filled in")
	flag.StringVar(&o.query, "query", "", "of list requests")
	flag.BoolVar(&o.gzip, "gzip", false, "accept gzip")
	flag.Float64Var(&o.rate, "rate", 50, "watch: events per second")
	flag.Func("process", "NAME=PID of a server whose CPU is reported; repeatable", func(text string) error {
		var pid int
		name, number, _ := strings.Cut(text, "=")
		if _, err := fmt.Sscan(number, &pid); err != nil {
			return err
		}
		o.processes[name] = pid
		return nil
	})
	flag.Parse()
	return o
}

func run(o *options) (*report, error) {
	if o.mode == "watch" {
		return watch(o)
	}
	return drive(o)
}

type report struct {
	Operations   int            `json:"operations"`
	Numbers      int            `json:"numbers"` // one above the last object's, those of the warm-up included
	Seconds      float64        `json:"seconds"`
	PerSecond    float64        `json:"per_second"`
	Bytes        int64          `json:"bytes_per_operation"`
	P50          float64        `json:"p50_ms"`
	P99          float64        `json:"p99_ms"`
	CPU          map[string]int `json:"cpu_us_per_operation"`
	ClientCPU    int            `json:"client_cpu_us_per_operation"`
	ClientCores  float64        `json:"client_cores"` // in use while measuring
	MachineCores int            `json:"machine_cores"`
}

func newReport(took time.Duration, bytes int64, latencies []time.Duration, servers map[string]float64, client float64) *report {
	n := len(latencies)
	per := func(seconds float64) int { return int(seconds*1e6/float64(n) + 0.5) }
	r := &report{
		Operations: n, Seconds: took.Seconds(), PerSecond: float64(n) / took.Seconds(), Bytes: bytes / int64(n),
		P50: quantile(latencies, 0.50), P99: quantile(latencies, 0.99),
		CPU: map[string]int{}, ClientCPU: per(client), ClientCores: client / took.Seconds(), MachineCores: runtime.NumCPU(),
	}
	for name, seconds := range servers {
		r.CPU[name] = per(seconds)
	}
	return r
}
