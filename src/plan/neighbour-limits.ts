/** net.ipv4.neigh.default.gc_thresh2 and gc_thresh3; absent means 512 and 1024. */
export interface NeighbourLimits {
  readonly soft?: number;
  readonly most?: number;
}
