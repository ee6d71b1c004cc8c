package main

import (
	"fmt"
	"time"
)

// Slow answers are given up, quick ones are not.
func init() {
	programs["timeouts"] = func() {
		for i := 0; i < 4; i++ {
			answer := make(chan int, 1)
			go func(i int) {
				if i%2 == 1 {
					time.Sleep(4 * moment)
				}
				answer <- i
			}(i)
			wait := 100 * moment
			if i%2 == 1 {
				wait = moment
			}
			select {
			case v := <-answer:
				fmt.Println("answer", v)
			case <-time.After(wait):
				fmt.Println("too late", i)
			}
		}
	}
}
