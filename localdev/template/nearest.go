package template

import (
	"iter"
	"slices"
	"strings"
)

// didYouMean gives "; did you mean X?" if one of the known names is close
// enough to word to be what was meant, and "" otherwise.
func didYouMean(word string, known []string) string {
	hint, _ := nearest(word, slices.Values(known))
	return hint
}

// nearest is didYouMean that also tells how much work it was.
func nearest(word string, known iter.Seq[string]) (hint string, cost int) {
	const longest = 64 // distance is quadratic, and names are shorter
	if len(word) > longest {
		return "", 0
	}
	best, bestDistance := "", 1+min(max(len(word)/3, 1), 3, len(word)/2)
	for k := range known {
		cost++
		if len(k) > len(word)+bestDistance || len(word) > len(k)+bestDistance {
			continue
		}
		cost += len(word) * len(k)
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d < bestDistance || d == bestDistance && best != "" && k < best {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return "", cost
	}
	return "; did you mean " + best + "?", cost
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, prev[j]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

// listed joins names for a message: sorted, and cut off after the first few.
func listed(names []string) string {
	const most = 20
	names = slices.Sorted(slices.Values(names))
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		names = append(names[:most:most], "…")
	}
	return strings.Join(names, ", ")
}
