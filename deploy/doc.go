// Package deploy is everything around the programs: what starts a market on one machine for tests
// and the demo (devstack, devchain), images for those who run one (images, with
// docker-compose.yml at the root), tools of the build (tools) and a browser for its tests
// (browser). Of all programs only everseed-devnet imports from here.
package deploy
