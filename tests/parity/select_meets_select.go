package main

import "fmt"

// Two selects meet: one sends what the other receives, once.
func init() {
	programs["select_meets_select"] = func() {
		ch := make(chan int)
		quit := make(chan bool)
		sums := make(chan int, 1)
		go func() {
			sum := 0
			for {
				select {
				case v := <-ch:
					sum += v
				case <-quit:
					sums <- sum
					return
				}
			}
		}()
		other := make(chan int)
		for i := 1; i <= 10; i++ {
			select {
			case ch <- i:
			case <-other:
				fmt.Println("other")
			}
		}
		quit <- true
		fmt.Println("sum", <-sums)
	}
}
