package main

import "fmt"

// A select does the one case that can proceed.
func init() {
	programs["select_ready"] = func() {
		in := make(chan int, 1)
		out := make(chan int, 1)
		in <- 1
		out <- 9
		step := func() {
			select {
			case v := <-in:
				fmt.Println("received", v)
			case out <- 2:
				fmt.Println("sent")
			default:
				fmt.Println("neither")
			}
		}
		step()
		step()
		fmt.Println("out had", <-out)
		step()
		step()
		fmt.Println("out had", <-out)
	}
}
