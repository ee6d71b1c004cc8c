package main

import "fmt"

// A buffer takes as many as it has room for without a receiver.
func init() {
	programs["buffered"] = func() {
		ch := make(chan int, 3)
		for i := 1; i <= 5; i++ {
			select {
			case ch <- i:
				fmt.Println("sent", i)
			default:
				fmt.Println("full at", i)
			}
		}
		for i := 1; i <= 3; i++ {
			fmt.Println("received", <-ch)
		}
	}
}
