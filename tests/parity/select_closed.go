package main

import "fmt"

// A closed channel is always ready.
func init() {
	programs["select_closed"] = func() {
		a := make(chan int, 1)
		b := make(chan int)
		a <- 1
		close(a)
		for i := 0; i < 3; i++ {
			select {
			case v, ok := <-a:
				fmt.Println("a", v, ok)
			case <-b:
				fmt.Println("b")
			}
		}
		fmt.Println("closed:", closed(func() {
			select {
			case a <- 2:
				fmt.Println("sent")
			case <-b:
				fmt.Println("b")
			}
		}))
	}
}
