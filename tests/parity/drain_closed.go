package main

import "fmt"

// What is left in a closed channel is received before its end.
func init() {
	programs["drain_closed"] = func() {
		ch := make(chan int, 3)
		ch <- 1
		ch <- 2
		ch <- 3
		close(ch)
		for i := 0; i < 5; i++ {
			v, ok := <-ch
			fmt.Println(v, ok)
		}
	}
}
