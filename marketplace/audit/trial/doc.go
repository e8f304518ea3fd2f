// Package trial puts the market's rules on trial: it lets agents and auditors that cheat live
// through simulated months and says what they earned before they were caught.
//
// The rules are the real ones: [audit.Plan] and [audit.Challenges] decide who asks what
// and when; [marketplace.Rules] settles, judges, pays, splits, warns, suspends and disqualifies.
// Only the network is a model: an agent is a function that says what a try of an auditor finds, an
// auditor one that says what it reports. Time is virtual and chance is seeded, so that the same
// [World] gives the same table everywhere; ADVERSARIES.md next door is that table.
package trial
