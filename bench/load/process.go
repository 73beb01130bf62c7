package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond is USER_HZ, the same on every architecture that Linux still supports.
const ticksPerSecond = 100

// stopwatch knows the CPU seconds that the servers and this process had used when it was started.
type stopwatch struct {
	started   time.Time
	processes map[string]int
	servers   map[string]float64
	client    float64
}

func startStopwatch(processes map[string]int) stopwatch {
	return stopwatch{time.Now(), processes, serverSeconds(processes), ownSeconds()}
}

// stop returns what has passed since: time, CPU seconds by server, and of this process.
func (s stopwatch) stop() (time.Duration, map[string]float64, float64) {
	took, servers := time.Since(s.started), serverSeconds(s.processes)
	for name := range servers {
		servers[name] -= s.servers[name]
	}
	return took, servers, ownSeconds() - s.client
}

func serverSeconds(processes map[string]int) map[string]float64 {
	seconds := map[string]float64{}
	for name, pid := range processes {
		seconds[name] = treeSeconds(pid)
	}
	return seconds
}

// treeSeconds is the CPU of a process, of the children it has waited for, and of all that still run below it.
func treeSeconds(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// What follows the name, which is in parentheses; utime, stime, cutime and cstime are fields 14 to 17 of proc(5).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int
	for _, field := range fields[11:15] {
		value, _ := strconv.Atoi(field)
		ticks += value
	}
	seconds := float64(ticks) / ticksPerSecond
	for _, child := range children(pid) {
		seconds += treeSeconds(child)
	}
	return seconds
}

func children(pid int) []int {
	var found []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, field := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(field)
			found = append(found, child)
		}
	}
	return found
}

func ownSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// quantile is in milliseconds; it sorts.
func quantile(latencies []time.Duration, q float64) float64 {
	slices.Sort(latencies)
	at := min(len(latencies)-1, int(q*float64(len(latencies))))
	return float64(latencies[at].Microseconds()) / 1000
}
