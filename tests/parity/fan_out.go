package main

import "fmt"

// One channel to four workers; each item is taken once.
func init() {
	programs["fan_out"] = func() {
		ch := make(chan int)
		sums := make(chan int)
		for w := 0; w < 4; w++ {
			go func() {
				sum := 0
				for v := range ch {
					sum += v
				}
				sums <- sum
			}()
		}
		for i := 1; i <= 40; i++ {
			ch <- i
		}
		close(ch)
		sum := 0
		for w := 0; w < 4; w++ {
			sum += <-sums
		}
		fmt.Println("sum", sum)
	}
}
