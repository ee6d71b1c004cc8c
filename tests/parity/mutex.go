package main

import "fmt"

// Capacity 1 as a mutex.
func init() {
	programs["mutex"] = func() {
		lock := make(chan int, 1)
		done := make(chan bool)
		counter := 0
		for i := 0; i < 5; i++ {
			go func() {
				for k := 0; k < 20; k++ {
					lock <- 1
					counter++
					<-lock
				}
				done <- true
			}()
		}
		for i := 0; i < 5; i++ {
			<-done
		}
		fmt.Println("counter", counter)
	}
}
