package main

import "fmt"

// A select with a default does not wait.
func init() {
	programs["select_default"] = func() {
		a := make(chan int)
		b := make(chan int)
		select {
		case <-a:
			fmt.Println("a")
		case b <- 1:
			fmt.Println("b")
		default:
			fmt.Println("default")
		}
	}
}
