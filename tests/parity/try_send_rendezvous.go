package main

import (
	"fmt"
	"time"
)

// Without a buffer a try succeeds only when somebody waits.
func init() {
	programs["try_send_rendezvous"] = func() {
		ch := make(chan int)
		select {
		case ch <- 1:
			fmt.Println("sent")
		default:
			fmt.Println("nobody waits")
		}
		got := make(chan int, 1)
		go func() { got <- <-ch }()
		time.Sleep(moment)
		select {
		case ch <- 2:
			fmt.Println("sent")
		default:
			fmt.Println("nobody waits")
		}
		fmt.Println("received", <-got)
	}
}
