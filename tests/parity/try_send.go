package main

import "fmt"

// A try on a full channel, and on one with room again.
func init() {
	programs["try_send"] = func() {
		ch := make(chan int, 1)
		try := func(i int) {
			select {
			case ch <- i:
				fmt.Println("sent", i)
			default:
				fmt.Println("full")
			}
		}
		try(1)
		try(2)
		fmt.Println("received", <-ch)
		try(3)
		fmt.Println("received", <-ch)
	}
}
