package main

import "fmt"

// A generator that is told to stop.
func init() {
	programs["generator_quit"] = func() {
		numbers := make(chan int)
		quit := make(chan bool)
		stopped := make(chan bool)
		go func() {
			for i := 0; ; i++ {
				select {
				case numbers <- i:
				case <-quit:
					stopped <- true
					return
				}
			}
		}()
		for i := 0; i < 5; i++ {
			fmt.Println(<-numbers)
		}
		quit <- true
		fmt.Println("stopped:", <-stopped)
	}
}
