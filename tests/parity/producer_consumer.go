package main

import "fmt"

// The consumer says when it is done.
func init() {
	programs["producer_consumer"] = func() {
		items := make(chan int, 2)
		done := make(chan int)
		go func() {
			sum := 0
			for v := range items {
				sum += v
			}
			done <- sum
		}()
		for i := 1; i <= 10; i++ {
			items <- i
		}
		close(items)
		fmt.Println("done", <-done)
	}
}
