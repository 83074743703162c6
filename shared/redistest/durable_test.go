package redistest_test

import (
	"testing"

	"photofinish/shared/redistest"
)

func TestAKilledServerStartsAgainWithWhatItHad(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb, process := redistest.Durable(t)
	for want := int64(1); want <= 3; want++ {
		if n, err := rdb.Incr(ctx, "starts").Result(); err != nil || n != want {
			t.Fatalf("start %d is counted as %d, %v", want, n, err)
		}
		process.Kill()
		if err := rdb.Ping(ctx).Err(); err == nil {
			t.Fatal("a killed server answers")
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
	}
}
