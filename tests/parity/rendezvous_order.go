package main

import (
	"fmt"
	"time"
)

// Senders that wait are heard in the order in which they came.
func init() {
	programs["rendezvous_order"] = func() {
		ch := make(chan int)
		for i := 1; i <= 4; i++ {
			go func(i int) { ch <- i }(i)
			time.Sleep(moment)
		}
		for i := 1; i <= 4; i++ {
			fmt.Println("received", <-ch)
		}
	}
}
