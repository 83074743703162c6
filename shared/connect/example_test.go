package connect_test

import (
	"context"
	"fmt"
	"os"

	"photofinish/shared/connect"
)

func ExampleFromEnvironment() {
	rdb, err := connect.FromEnvironment(os.Environ(), 0)
	if err != nil {
		fmt.Println(err) // names the variable
		return
	}
	defer rdb.Close()
	fmt.Println(rdb.Ping(context.Background()).Err())
}
