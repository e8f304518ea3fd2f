// Package web is the market's page, built from the TypeScript beside it and embedded.
//
// The page reads the public API and the public event stream of the market that serves it, and
// nothing else: no other host, no login, no cookie. Handler serves what `make web` left in dist:
// files under assets/ carry a hash in their name and are kept by browsers for ever, everything
// else is asked for again each time. Files that the build pressed are sent pressed.
//
// The page navigates by path (/bounties/12), so an unknown path without a file extension gets the
// page itself. Without a build there is one page that says how to make one, so that `go build`
// needs no npm.
package web
