package main

import (
	"log/slog"
	"net"

	"photofinish/localdev/emulator"
)

type livePage struct{}

func (p *livePage) line(l emulator.Line) {}
func (p *livePage) serve(e *emulator.Emulator, l net.Listener, log *slog.Logger) (func(), error) {
	return func() {}, nil
}
