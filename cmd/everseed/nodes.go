package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func (s *session) nodesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "nodes",
		Short: "How the TRON nodes are that --tron names",
		Long: `Asks each of the TRON nodes of --tron for its newest solid block and compares them. A node is
left when it is down, when it is behind the others, and when it is of another chain; the next one
is asked instead, until the first is well again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := escrow.Dial(cmd.Context(), escrow.Config{GRPC: s.tron,
				APIKey: s.getenv(apiKeyVariable)})
			if err != nil {
				return err
			}
			defer func() { _ = v.Close() }()
			nodes := v.AskNodes(cmd.Context())
			err = s.show(cmd.OutOrStdout(), nodes, func(w io.Writer) error {
				t := terminal.Table{Header: []string{"NODE", ">SOLID BLOCK", "STATE", "REASON"}}
				for _, n := range nodes {
					t.Add(n.Endpoint, n.Solid, stateOf(n), n.Reason)
				}
				return t.Write(w)
			})
			if err == nil && !usable(nodes) {
				err = marketplace.Unavailable.Errorf("no TRON node can be asked")
			}
			return err
		},
	}
}

func stateOf(n escrow.NodeStatus) string {
	switch {
	case n.Fault != "":
		return string(n.Fault)
	case n.Using:
		return "in use"
	default:
		return "ready"
	}
}

func usable(nodes []escrow.NodeStatus) bool {
	for _, n := range nodes {
		if n.Fault == "" {
			return true
		}
	}
	return false
}
