package main

import "fmt"

// Of two that are ready neither starves.
func init() {
	programs["select_fair"] = func() {
		a := make(chan int, 100)
		b := make(chan int, 100)
		for i := 0; i < 100; i++ {
			a <- i
			b <- i
		}
		n := [2]int{}
		for i := 0; i < 100; i++ {
			select {
			case <-a:
				n[0]++
			case <-b:
				n[1]++
			}
		}
		fmt.Println("both at least 20 times:", n[0] >= 20 && n[1] >= 20)
		fmt.Println("together", n[0]+n[1])
	}
}
