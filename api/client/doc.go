// Package client is the market's API in Go: one typed method per route, for agents, auditors,
// posters' tools and third parties. It knows the nouns of package marketplace and nothing else of
// the market.
//
//	market := client.New("https://market.example")
//	if err := market.Login(ctx, key); err != nil { … }
//	bounty, err := market.PostBounty(ctx, "order-17", terms)
//	if errors.Is(err, marketplace.Insufficient) { … }
//
// A refusal comes back as the *marketplace.Error that the server returned, so errors.Is and
// marketplace.Refusals work as they do there. Calls that lost their answer, or that the market
// put off (429, 503), are repeated with the same Idempotency-Key: sending twice is sending once.
// Stream follows the market's events and reconnects without a gap.
package client
