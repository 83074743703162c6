package memory

import "fmt"

// parse takes one command, an array of bulk strings, from b. n is its length in
// bytes, 0 if it is not complete.
func parse(b []byte) (args []string, n int, err error) {
	count, n, err := header(b, '*')
	if n == 0 || err != nil {
		return nil, 0, err
	}
	if count < 1 {
		return nil, 0, fmt.Errorf("memory: a command of %d parts", count)
	}
	args = make([]string, 0, min(count, 1024))
	for range count {
		size, head, err := header(b[n:], '$')
		if head == 0 || err != nil || size < 0 {
			return nil, 0, err
		}
		n += head
		if len(b) < n+size+2 {
			return nil, 0, nil
		}
		args = append(args, string(b[n:n+size]))
		n += size + 2
	}
	return args, n, nil
}

// header reads a line such as $12; n is its length, 0 if it is not complete.
func header(b []byte, kind byte) (value, n int, err error) {
	for i, x := range b {
		switch {
		case i == 0 && x != kind:
			return 0, 0, fmt.Errorf("memory: a request starts with %q, want %q", x, kind)
		case i == 0 || x == '\r':
		case x == '\n':
			return value, i + 1, nil
		case x >= '0' && x <= '9' && value < 1<<29:
			value = 10*value + int(x-'0')
		default:
			return 0, 0, fmt.Errorf("memory: %q in the length of a request", x)
		}
	}
	return 0, 0, nil
}
