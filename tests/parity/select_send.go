package main

import (
	"fmt"
	"time"
)

// A select hands over to a receiver that comes later.
func init() {
	programs["select_send"] = func() {
		a := make(chan int)
		b := make(chan int)
		got := make(chan int, 1)
		go func() {
			time.Sleep(moment)
			got <- <-b
		}()
		select {
		case a <- 1:
			fmt.Println("sent to a")
		case b <- 2:
			fmt.Println("sent to b")
		}
		fmt.Println("received", <-got)
	}
}
