package main

import (
	"fmt"
	"time"
)

// A nil channel never proceeds.
func init() {
	programs["select_nil"] = func() {
		var none chan int
		a := make(chan int, 1)
		a <- 1
		select {
		case <-none:
			fmt.Println("none")
		case none <- 1:
			fmt.Println("none")
		case v := <-a:
			fmt.Println("a", v)
		}
		select {
		case <-none:
			fmt.Println("none")
		case <-time.After(moment):
			fmt.Println("timeout")
		}
	}
}
