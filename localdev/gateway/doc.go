// Package gateway is a local stand-in for an Amazon API Gateway HTTP API in
// front of Lambda proxy integrations with payload format 2.0.
//
// It is made of pure parts and one handler that joins them:
//
//   - [NewRouter] and [Router.Match]: which route answers a request,
//   - [Event]: the HTTP request as the JSON event a function receives,
//   - [Infer]: what a function returned, as an HTTP response,
//   - [CORS]: the answers the gateway gives to browsers by itself,
//   - [New]: the http.Handler, which knows functions only through
//     [Config.Invoke].
//
// Authorizers, payload format 1.0, throttling settings and WebSocket APIs are
// not here: a template that asks for them has to be refused before it gets to
// this package.
package gateway
