package template

import (
	"os"
	"path/filepath"
	"strings"
)

// code reads what is run, and checks that the emulator can run it.
func (s scope) code(fn *Function, props *node) bool {
	if f, v := s.field(props, "PackageType"); v != nil {
		if kind, ok := f.oneOf(v, "Zip", "Image"); !ok || kind == "Image" {
			if ok {
				f.refuse(v.line, "Image is not supported: functions run from a binary")
			}
			return false
		}
	}
	ok := !s.sets(props, "InlineCode", "ImageUri")
	if f, v := s.field(props, "Runtime"); v == nil {
		f.fail(fn.Line, "is missing")
		ok = false
	} else if runtime, good := f.static(v); !good {
		ok = false
	} else if fn.Runtime = runtime; runtime != "provided.al2023" && runtime != "provided.al2" {
		f.refuse(v.line, "%s is not supported: Go functions run on provided.al2023 or provided.al2", runtime)
		ok = false
	}
	if f, v := s.field(props, "Handler"); v == nil {
		f.fail(fn.Line, "is missing; on provided runtimes it may be any text, such as bootstrap")
	} else {
		fn.Handler, _ = f.static(v)
	}
	s.architecture(fn, props)
	return s.codeDir(fn, props) && ok
}

func (s scope) architecture(fn *Function, props *node) {
	f, v := s.field(props, "Architectures")
	if v == nil {
		return
	}
	items, ok := f.elements(v)
	if !ok {
		return
	}
	if len(items) != 1 {
		f.fail(v.line, "must have one element, and has %d; Globals and function add up", len(items))
		return
	}
	if name, ok := f.oneOf(items[0], "x86_64", "arm64"); ok {
		fn.Architecture = name
	}
}

func (s scope) codeDir(fn *Function, props *node) bool {
	f, v := s.field(props, "CodeUri")
	uri, line := ".", fn.Line // SAM's default
	switch {
	case v == nil:
	case v.kind == kindMapping:
		f.refuse(v.line, "code in S3 is not supported: name the directory of the Go package")
		return false
	default:
		var ok bool
		if uri, ok = f.static(v); !ok {
			return false
		}
		line = v.line
	}
	if strings.HasPrefix(uri, "s3://") {
		f.refuse(line, "code in S3 is not supported: name the directory of the Go package")
		return false
	}
	dir := filepath.FromSlash(uri)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(s.dir, dir)
	}
	switch info, err := os.Stat(dir); {
	case err != nil:
		f.fail(line, "there is no directory %s", dir)
		return false
	case !info.IsDir():
		f.refuse(line, "%s is a file, not the directory of a Go package", dir)
		return false
	}
	fn.CodeDir = filepath.Clean(dir)
	return true
}

// build reads the Metadata that says how SAM builds the function.
func (s scope) build(fn *Function, res *resource) bool {
	f, m := s.field(res.body, "Metadata")
	method, v := f.field(m, "BuildMethod")
	if v == nil {
		method.refuse(res.line, "is missing: the emulator builds functions with BuildMethod: go1.x")
		return false
	}
	name, ok := method.static(v)
	if !ok {
		return false
	}
	if fn.BuildMethod = name; name != "go1.x" {
		method.refuse(v.line, "%s is not supported: the emulator builds functions with go1.x", name)
		return false
	}
	if skip, v := f.field(m, "SkipBuild"); v != nil {
		if yes, ok := skip.boolean(v); ok && yes {
			skip.refuse(v.line, "is not supported: the emulator always builds the Go package in CodeUri")
			return false
		}
	}
	return true
}
