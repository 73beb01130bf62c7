package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"
)

const (
	many = 300
	page = 37
)

// fill creates many objects; their names, sorted.
func (p *probe) fill() []string {
	p.Helper()
	names := make([]string, many)
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for number := range numbers {
				if _, err := p.websites().Create(p.ctx, website(names[number]), metav1.CreateOptions{}); err != nil {
					p.Error(err)
				}
			}
		})
	}
	for number := range names {
		names[number] = fmt.Sprintf("site-%03d", number)
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	return names
}

// pages reads page by page; between is called after each page but the last.
func (p *probe) pages(between func(read metav1.ListInterface)) *pager.ListPager {
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		list, err := p.websites().List(ctx, options)
		if err == nil && list.GetContinue() != "" {
			between(list)
		}
		return list, err
	})
	pages.PageSize = page
	pages.PageBufferSize = 0
	return pages
}

func names(p *probe, list runtime.Object) []string {
	p.Helper()
	var found []string
	p.must(meta.EachListItem(list, func(object runtime.Object) error {
		accessor, err := meta.Accessor(object)
		found = append(found, accessor.GetName())
		return err
	}))
	return found
}

// Pages together are the collection as it was at the first page, whatever is written meanwhile.
func TestPager(t *testing.T) {
	p := start(t)
	expected := p.fill()
	read, revisions := 0, map[string]bool{}
	pages := p.pages(func(list metav1.ListInterface) {
		read += page
		revisions[list.GetResourceVersion()] = true
		remaining := list.GetRemainingItemCount()
		p.want(remaining != nil && *remaining == int64(many-read), "%v remain after %d", remaining, read)
		if read == page {
			p.create("site-150-is-late")
			p.delete("site-299")
		}
	})
	list, paginated, err := pages.List(p.ctx, metav1.ListOptions{})
	p.must(err)
	p.want(paginated, "all is in one page")
	p.want(slices.Equal(names(p, list), expected), "the pages hold %v", names(p, list))
	p.want(len(revisions) == 1, "pages are of the revisions %v", revisions)
}

// A page with a selector is as long as its limit, and its list says nothing of how many remain.
func TestPagerWithSelector(t *testing.T) {
	p := start(t)
	for i := range 9 {
		p.create(fmt.Sprintf("site-%d", i))
		if i%2 == 0 {
			p.label(fmt.Sprintf("site-%d", i), "tier", "gold")
		}
	}
	pages := p.pages(func(list metav1.ListInterface) {
		p.want(list.GetRemainingItemCount() == nil, "remaining items are counted")
	})
	pages.PageSize = 2
	list, _, err := pages.List(p.ctx, metav1.ListOptions{LabelSelector: "tier=gold"})
	p.must(err)
	expected := []string{"site-0", "site-2", "site-4", "site-6", "site-8"}
	p.want(slices.Equal(names(p, list), expected), "the pages hold %v", names(p, list))
	sent := p.requests.which(request.isList)
	p.want(len(sent) == 3, "%d pages were read", len(sent))
}

// A list from the cache has no pages: the limit of a list of resourceVersion 0 counts for nothing, or leads on.
func TestPagerFromCache(t *testing.T) {
	p := start(t)
	expected := p.fill()
	pages := p.pages(func(metav1.ListInterface) {})
	var list runtime.Object
	p.eventually("the cache has all", func() bool {
		read, _, err := pages.List(p.ctx, metav1.ListOptions{ResourceVersion: "0"})
		p.must(err)
		list = read
		return meta.LenList(list) == many
	})
	p.want(slices.Equal(names(p, list), expected), "the list holds %v", names(p, list))
}

// Once the first page's revision is compacted, the next page is refused as expired, with a token that goes on at the
// revision there is now; a pager that falls back gets the whole collection.
func TestExpiredPages(t *testing.T) {
	p := start(t)
	expected := p.fill()
	first, err := p.websites().List(p.ctx, metav1.ListOptions{Limit: page})
	p.must(err)
	p.create("site-150-is-late")
	p.delete("site-299")
	p.ask("compact")

	_, err = p.websites().List(p.ctx, metav1.ListOptions{Limit: page, Continue: first.GetContinue()})
	p.refused(err, errors.IsResourceExpired, "a page of a compacted revision")
	token := err.(errors.APIStatus).Status().ListMeta.Continue
	p.want(token != "", "no token to go on with: %v", err)
	rest, err := p.websites().List(p.ctx, metav1.ListOptions{Continue: token})
	p.must(err)
	now := append(slices.Insert(slices.Clone(expected[page:151]), 151-page, "site-150-is-late"), expected[151:299]...)
	p.want(slices.Equal(names(p, rest), now), "the rest is %v", names(p, rest))
	p.want(rest.GetResourceVersion() != first.GetResourceVersion(), "the rest is of the old revision")
	p.wantFallback()
}

func (p *probe) wantFallback() {
	p.Helper()
	compacted := false
	pages := p.pages(func(metav1.ListInterface) {
		if !compacted {
			compacted = true
			p.create("later")
			p.ask("compact")
		}
	})
	list, paginated, err := pages.List(p.ctx, metav1.ListOptions{})
	p.must(err)
	p.want(paginated, "the pager has not read pages")
	p.want(meta.LenList(list) == many+1, "the pager has read %d objects", meta.LenList(list))
}
