package marketplace

import "testing"

func TestAgentsThatFailTogetherScoreHigh(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b []int64
		want int
	}{
		"never failed":        {nil, nil, 0},
		"one never failed":    {[]int64{1, 2, 3, 4, 5}, nil, 0},
		"the same":            {[]int64{3, 9, 10, 40}, []int64{3, 9, 10, 40}, 10_000},
		"too few to say":      {[]int64{3, 9, 10}, []int64{3, 9, 10}, 0},
		"half of them shared": {[]int64{1, 2, 3, 4, 7, 8}, []int64{1, 2, 3, 4, 5, 6}, 5000},
		"strangers":           {[]int64{1, 3, 5, 7, 9}, []int64{2, 4, 6, 8, 10}, 0},
	} {
		if got := Together(c.a, c.b); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		if Together(c.a, c.b) != Together(c.b, c.a) {
			t.Errorf("%s: the order matters", name)
		}
	}
}
