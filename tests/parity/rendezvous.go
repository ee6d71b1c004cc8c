package main

import (
	"fmt"
	"time"
)

// A send without a buffer returns when somebody has received.
func init() {
	programs["rendezvous"] = func() {
		ch := make(chan int)
		begun := time.Now()
		waited := make(chan bool, 1)
		go func() {
			ch <- 1
			waited <- time.Since(begun) >= moment
		}()
		time.Sleep(moment)
		fmt.Println("received", <-ch)
		fmt.Println("the sender waited:", <-waited)
	}
}
