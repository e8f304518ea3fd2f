package deploy

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/everseed/everseed/seederagent"
)

// filled is an .env with everything that docker-compose.yml asks its reader for.
func filled() types.Mapping {
	return types.Mapping{"POSTGRES_PASSWORD": "p", "TRON_GRPC": "node:50051", "EVERSEED_TOKEN": "t",
		"EVERSEED_VAULT": "v", "EVERSEED_MARKET_KEY": "k", "EVERSEED_AUDITORS": "a",
		"EVERSEED_AGENT_KEY": "g"}
}

func load(t *testing.T, env types.Mapping) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  "..",
		ConfigFiles: []types.ConfigFile{{Filename: "../docker-compose.yml"}},
		Environment: env,
	})
}

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := load(t, filled())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeHasItsServices(t *testing.T) {
	t.Parallel()
	want := []string{"agent", "market", "nats", "postgres"}
	if got := slices.Sorted(maps.Keys(project(t).Services)); !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
}

func TestComposeRefusesWithoutASecretAndNamesIt(t *testing.T) {
	t.Parallel()
	for name := range filled() {
		env := filled()
		delete(env, name)
		if _, err := load(t, env); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestEveryServiceIsPinnedAndSaysWhenItIsWell(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`:\d+\.\d+[\w.-]*$`)
	for name, s := range project(t).Services {
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s runs %s, which is not an exact version", name, s.Image)
		}
		if s.Restart != types.RestartPolicyUnlessStopped {
			t.Errorf("%s is not started again when it dies", name)
		}
		for other, d := range s.DependsOn {
			if d.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s does not wait until %s is well", name, other)
			}
		}
	}
}

func TestOnlyTheMarketAndTheAgentCanBeReached(t *testing.T) {
	t.Parallel()
	for name, s := range project(t).Services {
		switch name {
		case "market":
			for _, p := range s.Ports {
				if p.HostIP != "127.0.0.1" {
					t.Errorf("the market is open on %q without TLS", p.HostIP)
				}
			}
		case "agent":
		default:
			if len(s.Ports) > 0 {
				t.Errorf("%s is published", name)
			}
		}
	}
}

func TestOurImagesAreBuiltByStagesThatExistAndArePinned(t *testing.T) {
	t.Parallel()
	dockerfile := read(t, "images/Dockerfile")
	for name, s := range project(t).Services {
		if s.Build == nil {
			continue
		}
		if !strings.Contains(dockerfile, " AS "+s.Build.Target+"\n") {
			t.Errorf("%s is built by stage %q, which does not exist", name, s.Build.Target)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s may write its image or keeps capabilities", name)
		}
	}
	if !strings.Contains(dockerfile, "\nUSER 65532") {
		t.Error("the programs run as root")
	}
	from, exact := regexp.MustCompile(`(?m)^FROM (\S+) AS`), regexp.MustCompile(`:\d+\.\d+\.\d+`)
	for _, from := range from.FindAllStringSubmatch(dockerfile, -1) {
		stage := strings.Contains(dockerfile, " AS "+from[1]+"\n")
		if !exact.MatchString(from[1]) && !stage {
			t.Errorf("image %s is neither an exact version nor a stage", from[1])
		}
	}
}

func TestTheMarketKnowsEveryVariableItIsGiven(t *testing.T) {
	t.Parallel()
	settings := read(t, "../cmd/everseed-market/settings.go")
	given := project(t).Services["market"].Environment
	for name := range given {
		if !strings.Contains(settings, `env:"`+name+`"`) {
			t.Errorf("everseed-market does not read %s", name)
		}
	}
	needed := regexp.MustCompile(`env:"(\w+)" doc:"[^"]*\(needed\)`)
	for _, m := range needed.FindAllStringSubmatch(settings, -1) {
		if given[m[1]] == nil {
			t.Errorf("everseed-market needs %s", m[1])
		}
	}
}

func TestTheAgentTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	c, err := seederagent.ReadConfig("images/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	agent := project(t).Services["agent"]
	if agent.Volumes[1].Target != c.Dir || !strings.HasSuffix(c.Listen, ":6881") ||
		agent.Ports[0].Target != 6881 || c.Market != "http://market:8080" {
		t.Errorf("agent.toml and docker-compose.yml differ: %+v", c)
	}
}

// read reads a file in this process, so that a changed file is a new test run.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
