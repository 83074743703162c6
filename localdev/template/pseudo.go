package template

import (
	"slices"
	"strings"
)

// pseudo evaluates Ref of a pseudo parameter, given without its "AWS::".
func (s scope) pseudo(line int, name string) *node {
	switch name {
	case "NoValue":
		return nil
	case "Region":
		return newText(line, s.Region)
	case "AccountId":
		return newText(line, s.AccountID)
	case "StackName":
		return newText(line, s.StackName)
	case "StackId":
		return newText(line, "arn:"+s.partition()+":cloudformation:"+s.Region+":"+s.AccountID+
			":stack/"+s.StackName+"/00000000-0000-0000-0000-000000000000")
	case "Partition":
		return newText(line, s.partition())
	case "URLSuffix":
		return newText(line, s.urlSuffix())
	case "NotificationARNs":
		return s.listOf(line, nil)
	}
	known := []string{"AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId", "StackName", "URLSuffix"}
	s.fail(line, "there is no pseudo parameter AWS::%s%s", name, s.didYouMean(name, slices.Values(known)))
	return newBroken(line)
}

func (r *resolver) partition() string {
	switch {
	case strings.HasPrefix(r.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(r.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (r *resolver) urlSuffix() string {
	if strings.HasPrefix(r.Region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
