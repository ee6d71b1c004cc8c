package main

import (
	"fmt"
	"time"
)

// Without a buffer a try hears a sender that waits.
func init() {
	programs["try_recv_rendezvous"] = func() {
		ch := make(chan int)
		try := func() {
			select {
			case v := <-ch:
				fmt.Println("received", v)
			default:
				fmt.Println("empty")
			}
		}
		try()
		done := make(chan bool)
		go func() {
			ch <- 1
			done <- true
		}()
		time.Sleep(moment)
		try()
		<-done
		try()
	}
}
