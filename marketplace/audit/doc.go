// Package audit asks agents for pieces of what they are paid to keep, as any downloader would,
// and says what came.
//
// [Seed] turns a secret and a solid block into the one source of chance for an epoch; [Plan] and
// [Pieces] draw from it who asks whom, when and for what. All three are pure: when the secret is
// published, anyone can recompute them from the public log (proof.md, Audits). [Probe] is one try
// on the wire. An [Auditor] does an epoch's tries at their times and reports.
package audit
