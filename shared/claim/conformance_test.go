package claim_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim/claimtest"
	"photofinish/shared/redistest"
)

func TestConformance(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) { claimtest.Run(t, rdb) })
}
