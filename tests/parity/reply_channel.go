package main

import "fmt"

// A channel travels through a channel.
func init() {
	programs["reply_channel"] = func() {
		type question struct {
			n     int
			reply chan int
		}
		questions := make(chan question)
		go func() {
			for q := range questions {
				q.reply <- q.n * q.n
			}
		}()
		for i := 1; i <= 3; i++ {
			q := question{i, make(chan int)}
			questions <- q
			fmt.Println(<-q.reply)
		}
		close(questions)
	}
}
