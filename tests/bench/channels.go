// channels: what Go's own channels do inside one process, and its goroutines that sleep.
//
//	channels unbuffered N    three goroutines send N ids between them, main receives them
//	channels buffered N      the same through a channel with room for 1024
//	channels sleep N         N goroutines sleep for a second and then send their id
//
// One line of JSON: jobs, seconds, peak_rss_bytes.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

const senders = 3

func stream(ch chan int, n int) {
	for id := 0; id < senders; id++ {
		count := n / senders
		if id < n%senders {
			count++
		}
		go func(id, count int) {
			for i := 0; i < count; i++ {
				ch <- id
			}
		}(id, count)
	}
	for i := 0; i < n; i++ {
		<-ch
	}
}

func sleep(ch chan int, n int) {
	for id := 0; id < n; id++ {
		go func(id int) {
			time.Sleep(time.Second)
			ch <- id
		}(id)
	}
	for i := 0; i < n; i++ {
		<-ch
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "channels unbuffered|buffered|sleep N")
		os.Exit(2)
	}
	n, err := strconv.Atoi(os.Args[2])
	if err != nil || n < 1 {
		fmt.Fprintln(os.Stderr, "channels: N is a whole number")
		os.Exit(2)
	}
	began := time.Now()
	switch os.Args[1] {
	case "unbuffered":
		stream(make(chan int), n)
	case "buffered":
		stream(make(chan int, 1024), n)
	case "sleep":
		sleep(make(chan int), n)
	default:
		fmt.Fprintf(os.Stderr, "channels: no mode %q\n", os.Args[1])
		os.Exit(2)
	}
	seconds := time.Since(began).Seconds()
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	fmt.Printf("{\"system\":\"go %s\",\"jobs\":%d,\"seconds\":%.6f,\"jobs_per_second\":%.0f,\"peak_rss_bytes\":%d}\n",
		os.Args[1], n, seconds, float64(n)/seconds, used.Maxrss*1024)
}
