package claim

// OpenWith opens an engine whose scripts come from source, so that a test can
// run it with a broken script.
func OpenWith(e *Engine, source func(name string) string) *Engine {
	broken := *e
	broken.scripts = &scripts{source: source}
	return &broken
}

// Source is the text of a script as it is built in.
func Source(name string) string { return builtin.source(name) }
