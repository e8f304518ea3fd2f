package marketplace

import "fmt"

// A Ticket lets an auditor into the quiet window of a torrent (proof.md, Lazy relays): for as long as
// Rules.Quiet, who holds the torrent under lease and is shown one serves nobody else, so that a relay
// finds nobody among the paid agents whom it could ask. It is good for one agent and one epoch.
type Ticket struct {
	Lease     int64     `json:"lease"`
	Epoch     int64     `json:"epoch"`
	Auditor   Address   `json:"auditor"`
	Signature Signature `json:"signature" doc:"Over the ticket's text, TRON signed message"`
}

// Text returns what the auditor signs.
func (t Ticket) Text() string {
	return fmt.Sprintf("Everseed quiet window\nlease %d\nepoch %d\nauditor %s", t.Lease, t.Epoch, t.Auditor)
}

// A Window is what a try in a quiet window measured. Who holds what it is asked for answers the first
// time like the second, but for the disk; who fetches it first does not, or not at all.
type Window struct {
	Quiet  bool  `json:"quiet" doc:"The agent said that it serves nobody else meanwhile"`
	Served bool  `json:"served" doc:"... and all blocks came before the window was over, or a whole piece where none is asked for alone"`
	ColdUS int64 `json:"cold_us" minimum:"0" maximum:"3600000000" doc:"Median time of a block from asking to its last byte, microseconds; 0: not measured"`
	WarmUS int64 `json:"warm_us" minimum:"0" maximum:"3600000000" doc:"The same of the same blocks, asked for once more"`
	Bytes  int64 `json:"bytes" minimum:"0" maximum:"1073741824" doc:"Bytes of whole pieces asked for at once after that, of all replicas the same"`
	TookUS int64 `json:"took_us" minimum:"0" maximum:"3600000000" doc:"Time until the last of them was here, microseconds"`
}

func (w Window) text() string {
	return fmt.Sprintf("\nwindow quiet %t served %t cold %d us warm %d us burst %d bytes %d us", w.Quiet,
		w.Served, w.ColdUS, w.WarmUS, w.Bytes, w.TookUS)
}

// Windows sums up the quiet windows of an agent. It costs an agent nothing: it is there for people to see.
type Windows struct {
	Visits int   `json:"visits" doc:"Quiet windows in which it was visited, ever"`
	Served Score `json:"served" doc:"Of these visits, with a short memory: falls when nothing came before the window was over"`
	ColdUS int64 `json:"cold_us" doc:"Moving average of cold times, microseconds"`
	WarmUS int64 `json:"warm_us" doc:"Moving average of warm times, microseconds"`
	Rate   int64 `json:"rate" doc:"Moving average of what it sent when all replicas were asked at once, bytes/s"`
}

// after counts what reports say of quiet windows. That a try passed does not suffice: a relay can wait until
// the window is over.
func (w Windows) after(memory int, reports []Report) Windows {
	for _, rep := range reports {
		if rep.Window == nil || len(rep.Tries) == 0 || rep.Tries[0] == AuditorFault {
			continue
		}
		in, spoiled := *rep.Window, rep.Tries[0] == BadData || rep.Tries[0] == Withheld
		w.Visits++
		if !in.Served || spoiled {
			w.Served = w.Served.after(memory, 1, 0)
			continue
		}
		w.Served = w.Served.after(memory, 0, 1)
		if in.ColdUS > 0 && in.WarmUS > 0 {
			w.ColdUS, w.WarmUS = moved(w.ColdUS, in.ColdUS), moved(w.WarmUS, in.WarmUS)
		}
		if in.Bytes > 0 && in.TookUS > 0 {
			w.Rate = moved(w.Rate, int64(float64(in.Bytes)/float64(in.TookUS)*1e6))
		}
	}
	return w
}

// moved moves an average an eighth of the way to a new value.
func moved(was, now int64) int64 {
	if was == 0 {
		return now
	}
	return was + (now-was)/8
}
