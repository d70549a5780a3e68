package placement_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/placement"
)

func TestPick(t *testing.T) {
	t.Parallel()
	const full, fits, unfit = placement.Full, placement.HasRoom, placement.Unfit
	nodes := []placement.Load{
		{Node: "large", Memory: 3000, Homes: 3},
		{Node: "small", Memory: 1000, Homes: 1},
		{Node: "tiny", Memory: 500},
	}
	tests := []struct {
		name     string
		verdicts map[string]placement.Verdict
		node     string
		verdict  placement.Verdict
		asked    int
	}{
		{"the fewest homes for its memory", map[string]placement.Verdict{"large": fits, "small": fits, "tiny": fits}, "large", fits, 1},
		{"a full one gives way to one with room", map[string]placement.Verdict{"large": full, "small": full, "tiny": fits}, "tiny", fits, 3},
		{"an unfit one too", map[string]placement.Verdict{"large": unfit, "small": fits, "tiny": fits}, "small", fits, 2},
		{"all full: the best of them", map[string]placement.Verdict{"large": full, "small": full, "tiny": full}, "large", full, 3},
		{"the best that could ever run it", map[string]placement.Verdict{"large": unfit, "small": unfit, "tiny": full}, "tiny", full, 3},
		{"none", map[string]placement.Verdict{}, "", unfit, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			node, verdict, err := placement.Pick(nodes, func(node string) (placement.Verdict, error) {
				asked = append(asked, node)
				return test.verdicts[node], nil
			})
			if err != nil || verdict != test.verdict || len(asked) != test.asked {
				t.Fatalf("picked %q, %v, %v, after asking %v", node, verdict, err, asked)
			}
			if node != test.node {
				t.Errorf("picked %q, want %q", node, test.node)
			}
		})
	}
}

func TestPickSpreadsByTheSizeOfTheNodes(t *testing.T) {
	t.Parallel()
	nodes := []placement.Load{{Node: "small", Memory: 1000}, {Node: "large", Memory: 3000}}
	got := map[string]int{}
	for range 8 {
		node, _, err := placement.Pick(nodes, func(string) (placement.Verdict, error) { return placement.HasRoom, nil })
		if err != nil {
			t.Fatal(err)
		}
		got[node]++
		for i := range nodes {
			nodes[i].Homes = got[nodes[i].Node]
		}
	}
	if diff := cmp.Diff(map[string]int{"small": 2, "large": 6}, got); diff != "" {
		t.Errorf("a node of three times the memory gets three times the homes:\n%s", diff)
	}
}

func TestPickEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("no answer")
	_, _, err := placement.Pick([]placement.Load{{Node: "a"}, {Node: "b"}}, func(string) (placement.Verdict, error) { return placement.Unfit, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
