package nomad

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// anyVolume is the id of no volume: asking for it tells whether asking is allowed.
// Nomad answers a listing without that right with an empty one.
const anyVolume = "00000000-0000-0000-0000-000000000000"

// EnsureHome makes the volume of a rendered volume file, unless there is one of
// this name. A host volume is bound to its node for good: Bothy chooses one that can
// run the rendered job now, and the one with the fewest homes for its size among
// those. It does not wait until the node has shown the volume to the scheduler,
// which takes seconds: a job that is registered meanwhile is placed as soon as it has.
// CodeUnplaceable when no node could ever run the job, CodeUnavailable when the node
// of an existing home is away, CodeConflict when there are two volumes of this name.
func (c *Client) EnsureHome(ctx context.Context, volume, job []byte) error {
	v, err := parseVolume(volume)
	if err != nil {
		return err
	}
	if v.Type == volumeCSI {
		return c.ensureCSI(ctx, v)
	}
	existing, err := c.hostVolume(ctx, v.Name)
	switch {
	case err != nil:
		return err
	case existing == nil:
		return c.createHost(ctx, v, job)
	case existing.State == api.HostVolumeStateUnavailable:
		return lab.Errorf(lab.CodeUnavailable, "the node that has volume %s is not connected", v.Name).
			WithHint("a home on a node's disk can't move: it starts when its node is back")
	default:
		if !c.cache.runs(jobOfHome(v.Name)) {
			c.homes.returns(v.Name, existing.NodeID, c.cfg.Now())
		}
		return nil
	}
}

// DeleteHome deletes the volume of this name, with what it holds. No error when
// there is none, CodeUnavailable while something still uses it.
func (c *Client) DeleteHome(ctx context.Context, name string) error {
	volumes, err := c.hostVolumes(ctx, name)
	if err != nil {
		return err
	}
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if _, _, err := c.api.HostVolumes().Delete(&api.HostVolumeDeleteRequest{ID: v.ID}, w); err != nil && !isGone(err) {
			return c.undeleted(err, name, "host-volume-delete")
		}
	}
	return c.deleteCSI(ctx, name)
}

func (c *Client) deleteCSI(ctx context.Context, id string) error {
	existing, err := c.csiVolume(ctx, id)
	if err != nil || existing == nil {
		return err
	}
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	if err := c.api.CSIVolumes().DeleteOpts(&api.CSIVolumeDeleteRequest{ExternalVolumeID: id}, w); err != nil && !isGone(err) {
		return c.undeleted(err, id, "csi-write-volume")
	}
	return nil
}

func isGone(err error) bool {
	return statusOf(err) == http.StatusNotFound || strings.Contains(bodyOf(err), "no such volume")
}

func (c *Client) undeleted(err error, name, capability string) error {
	switch body := bodyOf(err); {
	case strings.Contains(body, "in use"):
		return lab.Wrap(lab.CodeUnavailable, err, "volume %s is still in use", name)
	case strings.Contains(body, "unknown node"):
		return lab.Wrap(lab.CodeUnavailable, err, "the node that has volume %s is not connected", name).
			WithHint("it is deleted when the node is back; if it never will be: nomad volume delete -type host -force")
	}
	return c.failed(err, c.needs(capability))
}

// hostVolume gives the one host volume of this name, nil when there is none.
func (c *Client) hostVolume(ctx context.Context, name string) (*api.HostVolumeStub, error) {
	found, err := c.hostVolumes(ctx, name)
	switch {
	case err != nil || len(found) == 0:
		return nil, err
	case len(found) > 1:
		return nil, lab.Errorf(lab.CodeConflict, "Nomad has %d volumes named %s", len(found), name).
			WithHint("delete the one that does not hold the student's files: nomad volume delete -type host <id>")
	default:
		return found[0], nil
	}
}

// hostVolumes gives the host volumes of this name, the oldest first.
func (c *Client) hostVolumes(ctx context.Context, name string) ([]*api.HostVolumeStub, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	q.Prefix = name
	volumes, _, err := c.api.HostVolumes().List(nil, q)
	if err != nil {
		return nil, c.failed(err, c.needs("host-volume-read"))
	}
	volumes = slices.DeleteFunc(volumes, func(v *api.HostVolumeStub) bool { return v.Name != name })
	if len(volumes) > 0 {
		slices.SortFunc(volumes, func(a, b *api.HostVolumeStub) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
		return volumes, nil
	}
	q.Prefix = ""
	if _, _, err := c.api.HostVolumes().Get(anyVolume, q); err != nil && statusOf(err) != http.StatusNotFound {
		return nil, c.failed(err, c.needs("host-volume-read"))
	}
	return nil, nil
}

// createHost makes a host volume on a node of our choice.
func (c *Client) createHost(ctx context.Context, v volumeFile, job []byte) error {
	node, err := c.place(ctx, v, job)
	if err != nil {
		return err
	}
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	made, _, err := c.api.HostVolumes().Create(&api.HostVolumeCreateRequest{Volume: v.host(node)}, w)
	if err != nil {
		c.homes.giveBack(v.Name)
		return c.failed(err, c.needs("host-volume-create"))
	}
	// A request that was given up on may have made one meanwhile. Ours is empty:
	// it gives way to the older one.
	all, err := c.hostVolumes(ctx, v.Name)
	if err != nil || len(all) < 2 || all[0].ID == made.Volume.ID {
		return err
	}
	if _, _, err := c.api.HostVolumes().Delete(&api.HostVolumeDeleteRequest{ID: made.Volume.ID}, w); err != nil {
		return c.undeleted(err, v.Name, "host-volume-delete")
	}
	return nil
}

// csiVolume gives the CSI volume of this id, nil when there is none.
func (c *Client) csiVolume(ctx context.Context, id string) (*api.CSIVolume, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	volume, _, err := c.api.CSIVolumes().Info(id, q)
	if statusOf(err) == http.StatusNotFound {
		return nil, nil //nolint:nilnil // a volume that is not there is an answer
	}
	if err != nil {
		return nil, c.failed(err, c.needs("csi-read-volume"))
	}
	return volume, nil
}

// ensureCSI has the plugin create the volume unless Nomad knows one with its id.
func (c *Client) ensureCSI(ctx context.Context, v volumeFile) error {
	existing, err := c.csiVolume(ctx, v.ID)
	if err != nil || existing != nil {
		return err
	}
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	if _, _, err := c.api.CSIVolumes().Create(v.csi(), w); err != nil {
		return c.failed(err, c.needs("csi-write-volume"))
	}
	return nil
}
