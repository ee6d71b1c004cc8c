package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Nobody goes on before all have come.
func init() {
	programs["barrier"] = func() {
		arrived := make(chan int)
		open := make(chan bool)
		after := make(chan int, 4)
		var come int32
		for i := 0; i < 4; i++ {
			go func(i int) {
				time.Sleep(time.Duration(i) * moment / 2)
				atomic.AddInt32(&come, 1)
				arrived <- i
				<-open
				after <- int(atomic.LoadInt32(&come))
			}(i)
		}
		for i := 0; i < 4; i++ {
			<-arrived
		}
		close(open)
		for i := 0; i < 4; i++ {
			fmt.Println("there were", <-after)
		}
	}
}
