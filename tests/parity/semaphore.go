package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Capacity as a semaphore: never more than three inside.
func init() {
	programs["semaphore"] = func() {
		tickets := make(chan int, 3)
		done := make(chan bool)
		var inside, most int32
		for i := 0; i < 9; i++ {
			go func() {
				tickets <- 1
				n := atomic.AddInt32(&inside, 1)
				for m := atomic.LoadInt32(&most); n > m && !atomic.CompareAndSwapInt32(&most, m, n); {
					m = atomic.LoadInt32(&most)
				}
				time.Sleep(moment)
				atomic.AddInt32(&inside, -1)
				<-tickets
				done <- true
			}()
		}
		for i := 0; i < 9; i++ {
			<-done
		}
		fmt.Println("most inside", most)
	}
}
