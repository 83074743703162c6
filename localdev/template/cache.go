package template

import (
	"strconv"
	"strings"
)

func (s scope) cacheEndpoint(line int, res *resource, attribute string) *node {
	if s.Cache.Host == "" {
		s.fail(line, "%s of %s needs a cache, and the emulator runs none", attribute, res.id)
		return newBroken(line)
	}
	value := s.Cache.Host
	if strings.Contains(attribute, ".Port") {
		value = strconv.Itoa(s.Cache.Port)
	}
	switch {
	case strings.HasSuffix(attribute, ".List"):
		return s.listOf(line, []string{value})
	case strings.HasPrefix(attribute, "ReadEndPoint."):
		return newText(line, "["+value+"]") // CloudFormation's own form of this attribute
	}
	return newText(line, value)
}

// cacheEndpoints lists the attributes of a type that the local cache answers,
// in CloudFormation's spelling, which differs between types; nil for a type
// that is no cache.
func cacheEndpoints(typ string) []string {
	both := func(names ...string) (out []string) {
		for _, name := range names {
			out = append(out, name+".Address", name+".Port")
		}
		return out
	}
	switch typ {
	case "AWS::ElastiCache::CacheCluster":
		return both("RedisEndpoint", "ConfigurationEndpoint")
	case "AWS::ElastiCache::ReplicationGroup":
		return append(both("ConfigurationEndPoint", "PrimaryEndPoint", "ReaderEndPoint"),
			"ReadEndPoint.Addresses", "ReadEndPoint.Ports", "ReadEndPoint.Addresses.List", "ReadEndPoint.Ports.List")
	case "AWS::ElastiCache::ServerlessCache":
		return both("Endpoint", "ReaderEndpoint")
	case "AWS::MemoryDB::Cluster":
		return both("ClusterEndpoint")
	}
	return nil
}
