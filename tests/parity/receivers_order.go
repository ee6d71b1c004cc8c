package main

import (
	"fmt"
	"time"
)

// Receivers that wait are served in the order in which they came.
func init() {
	programs["receivers_order"] = func() {
		ch := make(chan int)
		got := make([]chan int, 4)
		for i := range got {
			got[i] = make(chan int, 1)
			go func(i int) { got[i] <- <-ch }(i)
			time.Sleep(moment)
		}
		for i := range got {
			ch <- i
		}
		for i := range got {
			fmt.Println("receiver", i, "got", <-got[i])
		}
	}
}
