"""What the networks promise, nearly all with random weights and small pictures."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import network as nets
import train

SMALL = replace(nets.PRESETS["small"], segmenter=(4, 8, 8), completer=(8, 8, 16), dilations=(1, 2), refiner=(8, 8), components=6)


@pytest.fixture
def unmasker() -> nets.Unmasker:
    """An untrained unmasker with loud random weights and a made-up subspace, so that nothing is zero by luck."""
    torch.manual_seed(3)
    network = nets.Unmasker(SMALL).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0, 0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
    fill = network.completer.fill
    fill.basis.normal_(0, 0.05)
    fill.precision.fill_(20)
    fill.mean.fill_(0.5)
    return network


def square_region(side: int = 256) -> torch.Tensor:
    region = torch.zeros(1, 1, side, side)
    region[..., side // 2 : side * 3 // 4, side // 3 : side * 2 // 3] = 1
    return region


def test_outputs_have_the_contract_shapes_and_ranges(unmasker):
    unmasked, region, probability = unmasker(torch.rand(2, 3, 256, 256))
    assert unmasked.shape == (2, 3, 256, 256)
    assert region.shape == probability.shape == (2, 1, 256, 256)
    assert 0 <= unmasked.min() and unmasked.max() <= 1
    assert set(region.unique().tolist()) <= {0.0, 1.0}


def test_pixels_outside_the_region_come_back_to_the_bit(unmasker):
    image, region = torch.rand(1, 3, 256, 256), square_region()
    completed = unmasker.complete(image, region)
    assert torch.equal(completed * (1 - region), image * (1 - region))
    assert not torch.equal(completed, image)


def test_what_lies_under_the_region_cannot_change_the_result(unmasker):
    region, image = square_region(), torch.rand(1, 3, 256, 256)
    other = torch.where(region > 0, torch.rand_like(image), image)
    assert torch.equal(unmasker.complete(image, region), unmasker.complete(other, region))


def test_a_lopsided_answer_is_made_even_and_keeps_its_texture(unmasker, monkeypatch):
    region, columns = square_region(128), torch.arange(128.0).expand(1, 3, 128, 128)
    slope, texture = columns / 128, 0.1 * (columns % 2 - 0.5)  # brighter to the right, whichever way the face looks
    monkeypatch.setattr(unmasker.completer, "forward", lambda erased, region, fill: (erased + region * (slope + texture), erased * 2))
    erased = torch.rand(1, 3, 128, 128) * (1 - region)
    both, features, doubt = unmasker.completer.both_ways(erased, region)
    assert torch.equal(features, erased * 2)
    assert doubt[..., 80, 64].item() < 0.12 < 0.18 < doubt[..., 80, 50].item()  # in the middle the two say the same
    inside = (..., slice(70, 90), slice(48, 80))
    assert torch.allclose((both - texture)[inside], torch.tensor(127 / 256), atol=0.02)  # 0.37 to 0.62 before
    assert torch.equal((both * (1 - nets.dilate(region, 1))), erased * (1 - nets.dilate(region, 1)))


@torch.no_grad()
def test_the_linear_fill_is_found_once_for_both_ways(unmasker, monkeypatch):
    region, found, given = square_region(128), [], []
    erased = torch.rand(2, 3, 128, 128) * (1 - region)
    whole, filled, forward = unmasker.completer.both_ways(erased, region.expand(2, -1, -1, -1)), unmasker.completer.filled, unmasker.completer.forward
    monkeypatch.setattr(unmasker.completer, "filled", lambda *faces: found.append(filled(*faces)) or found[-1])
    monkeypatch.setattr(unmasker.completer, "forward", lambda *faces: given.append(faces) or forward(*faces))
    assert torch.equal(unmasker.completer.both_ways(erased, region.expand(2, -1, -1, -1))[0], whole[0])
    ((faces, regions, fills),) = given
    assert len(found) == 1 and len(found[0]) == 2 and len(faces) == len(regions) == 4
    assert torch.equal(fills, torch.cat([found[0], found[0].flip(-1)])) and torch.equal(faces[2:], erased.flip(-1))


@torch.no_grad()
def test_the_natural_face_gets_contours_as_crisp_as_the_photo_where_it_is_sure(monkeypatch):
    plain, natural = nets.Unmasker(SMALL), nets.Unmasker(SMALL, textured=True)
    lips = (0.6 - 0.3 * (2 * (torch.arange(128) - 80.5)).sigmoid()).view(1, 1, 128, 1).expand(1, 3, 128, 128)  # a soft step from skin to lips
    face = lips + 0.01 * (torch.arange(128) % 2).view(1, 1, 1, 128)
    doubt = torch.zeros(1, 1, 128, 128)
    doubt[..., 74:78] = 0.25  # a part of the mouth is not known
    monkeypatch.setattr(nets, "even_lines", lambda coarse: 0 * coarse[:, :1])
    for network in (plain, natural):
        monkeypatch.setattr(network.completer, "both_ways", lambda erased, region: (face, erased, doubt))
    region, noise = square_region(), torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1)) - 0.5

    def added(network: nets.Unmasker, grain: float) -> torch.Tensor:
        return network.coarse(0.5 + grain * noise, region)[0] - face

    crisp = added(natural, 0.1)
    sure, unsure = ((crisp[..., 79, x] - crisp[..., 82, x]).mean().item() for x in (56, 76))
    assert 0.04 < sure < 0.15 and 0 < unsure < 0.1 * sure  # the step is much steeper, or hardly steeper
    assert crisp[..., 66:78, 46:60].abs().max() < 0.001  # skin stays as it is, to a quarter of a grey level
    lightest = nets.F.max_pool2d(face, 3, 1, 1)
    assert -0.001 < (face + crisp - lightest).max() - nets.OVERSHOOT < 1e-5  # no halo, and no dot
    assert torch.equal(crisp * (1 - square_region(128)), torch.zeros_like(crisp))
    assert 0.1 * crisp.abs().max() < added(natural, 0.04).abs().max() < 0.9 * crisp.abs().max()
    assert added(natural, 0.0).abs().max() < 1e-7  # a soft photo
    assert added(plain, 0.1).abs().max() == 0  # least error
    doubt[..., 78:] = 0.2  # nor is what lies beside it: a face of which so much is doubted stays soft where it is sure, too
    assert 0 < added(natural, 0.1)[..., 40:60].abs().max() < 0.5 * crisp[..., 40:60].abs().max()


@torch.no_grad()
@pytest.mark.parametrize("slant", [0, 17, 90, 141])
def test_a_mouth_that_is_a_string_of_beads_becomes_a_line_as_dark_and_as_thin(slant, monkeypatch):
    y, x = torch.meshgrid(torch.arange(128.0) - 80, torch.arange(128.0) - 64, indexing="ij")
    angle = torch.tensor(slant * torch.pi / 180)
    along, beside = x * angle.cos() + y * angle.sin(), -x * angle.sin() + y * angle.cos()
    beads = 1 + 0.25 * (2 * torch.pi * along / 4).cos()
    face = (0.6 - 0.15 * beads * (-(beside / 1.5).square()).exp()).expand(1, 3, 128, 128)
    lined = face + nets.even_lines(face)
    with torch.autocast("cpu", torch.bfloat16):  # as a natural stage trains
        assert torch.allclose(face + nets.even_lines(face), lined, atol=1e-5)
    line = (beside.abs() < 0.5) & (along.abs() < 16)
    before, after = face[0, 0][line], lined[0, 0][line]
    assert after.std() < 0.4 * before.std()
    assert after.mean() - before.mean() < 0.02  # of .15
    assert lined[0, 0][(beside.abs() > 4) & (along.abs() < 30)].sub(0.6).abs().max() < 0.003
    skin = 0.6 + 0.002 * torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    assert nets.even_lines(skin).abs().max() < 0.0025
    natural, region = nets.Unmasker(SMALL, textured=True), square_region()
    monkeypatch.setattr(natural.completer, "both_ways", lambda erased, region: (face, erased, torch.zeros(1, 1, 128, 128)))
    sharp, soft = 0.5 + 0.1 * torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(1)), torch.full((1, 3, 256, 256), 0.5)
    assert torch.equal(natural.coarse(soft, region)[0], face)
    crisp = natural.coarse(sharp, region)[0][0, 0][line & (square_region(128)[0, 0] > 0)]
    monkeypatch.setattr(nets, "even_lines", lambda coarse: 0 * coarse[:, :1])
    assert crisp.std() < 0.7 * natural.coarse(sharp, region)[0][0, 0][line & (square_region(128)[0, 0] > 0)].std()


@torch.no_grad()
def test_the_end_of_the_face_is_an_edge_where_it_is_likeliest_and_the_face_itself_is_left():
    def ramp(middle: float, high: float = 0.6) -> torch.Tensor:  # from a cheek out to a dark wall
        return (0.2 + high * ((middle - torch.arange(128)) / 2).sigmoid()).expand(1, 3, 128, 128).contiguous()

    def steepest(face: torch.Tensor) -> float:
        return (face[0, 0, 64, 98:-1] - face[0, 0, 64, 99:]).max().item()

    cheek, whole = ramp(105.0), torch.ones(1, 1, 1, 1)  # the face itself ends at 93
    steep = nets.steepen(cheek, whole)
    assert steepest(steep) > 1.3 * steepest(cheek)
    assert steep.min() >= cheek.min() - 1e-6 and steep.max() <= cheek.max() + 1e-6  # no halo
    assert abs(int((steep[0, 0, 64] > 0.5).sum()) - int((cheek[0, 0, 64] > 0.5).sum())) <= 1  # where it was
    assert (nets.steepen(cheek, 0 * whole) - cheek).abs().max() < 1e-5
    nose = ramp(64.0)
    assert (nets.steepen(nose, whole) - nose)[..., 50:78, 50:78].abs().max() < 1e-5
    weak = ramp(105.0, 0.03)  # a shade on the neck
    assert steepest(nets.steepen(weak, whole)) < 1.15 * steepest(weak)


@torch.no_grad()
def test_what_reaches_above_the_refiner_is_filled_by_the_completer_and_meets_the_rest(unmasker, monkeypatch):
    region, image = torch.zeros(1, 1, 256, 256), torch.rand(1, 3, 256, 256)
    region[..., nets.TOP - 30 : nets.TOP + 60, 90:170] = 1
    monkeypatch.setattr(unmasker.completer, "forward", lambda erased, region, fill: (erased + region * 0.25, erased.repeat(1, 3, 1, 1)[:, :8, ::2, ::2]))
    monkeypatch.setattr(unmasker.refiner, "forward", lambda erased, region, coarse, features: (erased + region * 0.75, features))
    inside = unmasker.complete(image, region)[0, 0, :, 100:160]
    assert torch.allclose(inside[nets.TOP - 26 : nets.TOP], torch.tensor(0.25), atol=1e-3)
    assert torch.allclose(inside[nets.TOP : nets.TOP + 60], torch.tensor(0.75), atol=1e-3)


@torch.no_grad()
def test_a_grey_face_is_completed_without_tint_whatever_surrounds_it_and_a_coloured_one_keeps_its_colours(unmasker):
    region, grey = square_region(), torch.rand(1, 1, 256, 256).expand(1, 3, 256, 256)
    before_a_wall = grey.clone()
    before_a_wall[:, 0, :, :60] = 1
    before_a_wall[:, 1] = torch.where(region[:, 0] > 0, 1.0, before_a_wall[:, 1])  # and under a green mask
    completed = unmasker.complete(before_a_wall, region)
    tint = (completed - completed.mean(1, keepdim=True)).abs() * region
    assert tint.max() < 1e-6

    coloured = (grey * torch.tensor([1.0, 0.95, 0.9]).view(1, 3, 1, 1)).contiguous()
    raw = torch.rand_like(coloured)
    assert torch.allclose(nets.as_grey_as_seen(raw, coloured, region), raw, atol=1e-6)
    assert torch.allclose(nets.as_grey_as_seen(raw, coloured, torch.ones_like(region)), raw, atol=1e-6)  # nothing of the face is seen


@torch.no_grad()
def test_texture_lies_inside_the_region_and_is_always_the_same(monkeypatch):
    monkeypatch.setattr(nets, "CRISPNESS", 0.0)
    torch.manual_seed(3)
    plain, textured = nets.Unmasker(SMALL).eval(), nets.Unmasker(SMALL, textured=True).eval()
    plain.completer.fill.mean.fill_(0.5)
    assert not textured.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    image, region = torch.rand(1, 3, 256, 256) * 0.1 + 0.45, square_region()
    texture = textured.complete(image, region) - plain.complete(image, region)
    assert torch.equal(texture * (1 - region), torch.zeros_like(texture))
    detail = nets.visible_detail(image, region).item()
    assert torch.equal(texture * nets.outline(256, "cpu").ge(1), torch.zeros_like(texture))  # nor behind the jaw
    assert texture[..., 130:180, 110:150].std() == pytest.approx(sum(s * s for s in nets.Texture.shares) ** 0.5 * detail, rel=0.05)
    assert torch.allclose(texture[:, 0], texture[:, 2], atol=1e-6)  # grey
    assert torch.equal(textured.complete(image, region), textured.complete(image, region))


@torch.no_grad()
def test_texture_is_as_strong_as_the_layer_says_at_each_pixel_and_drawn_anew_in_training():
    texture = nets.Texture(1)
    texture.strength.bias.view(2, 4)[0] = 9  # the white field: 10 levels
    texture.strength.bias.view(2, 4)[1] = -1  # no soft one
    texture.strength.weight[:4, :, 1, 1] = -10
    fine = torch.zeros(1, 1, 64, 64)
    fine[..., 32:] = 1  # where the layer says 0
    level = torch.full((1, 1, 1, 1), 1 / 255)
    drawn = texture(fine, level)
    assert drawn[..., :60].std() * 255 == pytest.approx(10, rel=0.05)
    assert drawn[..., 68:].abs().max() < 1e-6
    assert not torch.equal(drawn, texture(fine, level))
    assert texture.eval()(fine, level)[..., :60].std() * 255 == pytest.approx(10 * texture.shares[0], rel=0.05)
    assert torch.equal(texture(fine, level), texture(fine, level))
    assert torch.allclose(texture(fine, 3 * level), 3 * texture(fine, level))


def test_visible_detail_is_that_of_the_face_beside_the_region_and_a_few_edges_hardly_move_it():
    torch.manual_seed(1)
    region, noise = square_region(), torch.randn(1, 1, 256, 256).expand(-1, 3, -1, -1)
    level = nets.visible_detail(0.5 + noise / 255, region).item() * 255
    assert level == pytest.approx(0.676 * (8 / 9) ** 0.5, rel=0.03)  # of a normal distribution the squared mean root of |x|
    masked = (0.5 + noise / 255) * (1 - region) + region * torch.rand(1, 3, 256, 256)
    assert nets.visible_detail(masked, region).item() * 255 == pytest.approx(level, rel=1e-3)
    framed = 0.5 + noise / 255
    framed[..., 110:114, 60:200] = 0  # black glasses: the mean would be more than four times as much
    assert nets.visible_detail(framed, region).item() * 255 < 2 * level
    seen = nets.seen_face(region)
    means = [(nets.detail(x[:, :1]).abs() * seen).sum() / seen.sum() for x in (framed, 0.5 + noise / 255)]
    assert means[0] > 4 * means[1]
    assert nets.visible_detail(torch.full_like(framed, 0.5), region).item() * 255 < 0.01
    assert nets.visible_detail(0.5 + 20 * noise / 255, region).item() == pytest.approx(nets.MOST_DETAIL)


def test_every_pixel_of_the_hole_sees_far_corners_of_the_face():
    torch.manual_seed(0)
    network = nets.Completer(nets.PRESETS["small"]).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0, (2 / module.weight[0].numel()) ** 0.5)
    region = square_region(128)
    a = torch.full((1, 3, 128, 128), 0.5)
    b = a.clone()
    b[..., :8, :8] = 1
    change = (network(a * (1 - region), region)[0] - network(b * (1 - region), region)[0]).abs()
    assert (change * region).sum() > 0
    assert change[..., 90, 70].sum() > 0


def test_the_linear_fill_is_the_exact_solution_for_what_each_face_of_a_batch_shows():
    torch.manual_seed(4)
    fill = nets.SubspaceFill(components=9, steps=16)
    fill.mean.uniform_(0.3, 0.7)
    fill.basis.normal_(0, 0.03)
    fill.precision.uniform_(20, 100)
    region = torch.zeros(4, 1, 128, 128)
    region[1, :, 64:110, 30:100] = 1
    region[2, :, :70] = 1
    region[3] = 1
    erased = torch.rand(4, 3, 128, 128) * (1 - region)
    together = fill(erased, region)
    for face in range(4):
        shown = nn.functional.avg_pool2d(erased[face], 4).flatten().double()
        weight = (nn.functional.max_pool2d(region[face], 4) == 0).expand(3, 32, 32).flatten() * fill.precision[0].double()
        basis, mean = fill.basis.double(), fill.mean[0].double()
        z = torch.linalg.solve(torch.eye(9) + basis.T @ (weight[:, None] * basis), basis.T @ (weight * (shown - mean)))
        cells = (mean + basis @ z).reshape(1, 3, 32, 32).float()
        exact = nn.functional.interpolate(cells, scale_factor=4, mode="bilinear", align_corners=False).clamp(0, 1)
        assert torch.allclose(together[face : face + 1], exact, atol=2e-5)
        assert torch.allclose(fill(erased[face : face + 1], region[face : face + 1]), exact, atol=2e-5)


def test_the_linear_fill_recovers_a_face_of_its_own_subspace():
    torch.manual_seed(0)
    fill = nets.SubspaceFill(components=5, steps=16)
    fill.mean.fill_(0.5)
    smooth = nn.functional.interpolate(torch.randn(5, 3, 4, 4), size=32, mode="bilinear").reshape(5, -1)
    fill.basis.copy_(smooth.T * 0.1)
    fill.precision.fill_(1e4)
    cells = (fill.mean + torch.randn(1, 5) @ fill.basis.T).reshape(1, 3, 32, 32)
    image = nn.functional.interpolate(cells, scale_factor=4, mode="nearest").clamp(0, 1)
    region = square_region(128)
    restored = nn.functional.avg_pool2d(fill(image * (1 - region), region), 4)
    inside = square_region(128)[..., ::4, ::4]
    assert ((restored - cells.clamp(0, 1)).abs() * inside).max() < 0.05


@torch.no_grad()
def test_the_linear_fill_of_a_face_of_which_one_eye_is_seen_does_not_hang_on_rounding_errors():
    network = nets.Unmasker(textured=True)
    train.load_parts(network, Path(nets.__file__).parents[1] / "rescnn.onnx")
    fill, region = network.completer.fill, torch.ones(1, 1, 128, 128)
    region[..., 56:88, 40:80] = 0
    erased = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * (1 - region)
    assert (fill(erased, region) - fill.double()(erased.double(), region.double())).abs().max() < 1e-5  # .006 without orthogonal residuals


def test_the_segmenter_can_tell_every_pixel_from_its_neighbours():
    torch.manual_seed(0)
    segmenter = nets.Segmenter(SMALL)
    image = torch.zeros(1, 3, 256, 256)
    image[..., 100:102, 40:200] = 1  # a strap
    truth = image[:, :1]
    optimiser = torch.optim.Adam(segmenter.parameters(), 0.02)
    for _ in range(60):
        loss = nn.functional.binary_cross_entropy_with_logits(segmenter(image), truth, 1 + 20 * truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert torch.equal(segmenter(image) > 0, truth > 0)


def test_little_mask_erases_nothing():
    probability = torch.zeros(1, 1, 256, 256)
    probability[..., 100:110, 100:110] = 1  # 0.15 % of the crop
    assert nets.region_from(probability, SMALL).sum() == 0


def test_the_region_covers_the_mask_with_a_margin_and_closes_its_holes():
    probability = torch.zeros(1, 1, 256, 256)
    probability[..., 100:180, 80:180] = 1
    probability[..., 130:140, 120:130] = 0  # a printed logo taken for skin
    region = nets.region_from(probability, SMALL)
    margin = SMALL.grow - SMALL.shrink
    expected = torch.zeros_like(region)
    expected[..., 100 - margin : 180 + margin, 80 - margin : 180 + margin] = 1
    assert torch.equal(region, expected)


def test_a_wide_hole_in_the_middle_of_the_lower_face_is_filled_and_one_inside_an_ear_loop_is_not():
    probability = torch.zeros(1, 1, 256, 256)
    probability[..., 130:230, 40:216] = 1
    whole = nets.region_from(probability, SMALL)
    probability[..., 160:190, 110:150] = 0  # a large white print on a black mask
    assert torch.equal(nets.region_from(probability, SMALL), whole)
    probability[..., 150:200, 50:80] = 0
    region = nets.region_from(probability, SMALL)
    assert region[..., 175, 60:75].sum() == 0 and region[..., 175, 84:216].all()


def test_straps_hang_on_the_fabric_and_cords_in_the_background_do_not():
    probability = torch.zeros(1, 1, 256, 256)
    probability[..., 140:220, 70:180] = 1
    probability[..., 100:140, 176:180] = 1  # a strap, beginning at the fabric's corner ...
    probability[..., 93:97, 176:230] = 1  # ... and going on after a gap of three pixels
    worn = nets.region_from(probability, SMALL)
    assert worn[..., 95, 178:228].all()
    probability[..., :240, 20:24] = 1  # a cord
    assert torch.equal(nets.region_from(probability, SMALL), worn)
    probability[..., 140:220, 70:180] = 0  # no fabric, only what may be straps: nobody knows better
    assert nets.region_from(probability, SMALL)[..., :240, 20:24].all()


def test_a_nose_above_the_mask_is_no_hole():
    probability = torch.zeros(1, 1, 256, 256)
    probability[..., 140:230, 60:196] = 1
    probability[..., 140:175, 110:146] = 0  # open upwards
    assert nets.region_from(probability, SMALL)[..., 140:170, 120:136].sum() == 0


def test_separable_dilation_equals_a_square_one():
    region = (torch.rand(1, 1, 40, 40) > 0.97).float()
    assert torch.equal(nets.dilate(region, 3), nn.functional.max_pool2d(region, 7, 1, 3))


def test_the_shared_slope_learns_as_a_leaky_relu():
    slope = nets.SharedSlope(0.25)
    x = torch.randn(2, 3, 5, 5, dtype=torch.float32, requires_grad=True)
    slope(x).sum().backward()
    assert torch.allclose(x.grad, torch.where(x > 0, 1.0, 0.25))
    assert torch.allclose(slope.slope.grad, x.detach().clamp(max=0).sum())


def test_slopes_and_batch_norm_are_never_decayed():
    decayed, plain = nets.parameter_groups(nets.Denoiser(nets.DenoiserConfig(layers=4, width=8)), 0.01)
    assert decayed["weight_decay"] == 0.01 and plain["weight_decay"] == 0.0
    assert all(p.ndim == 4 for p in decayed["params"])
    assert all(p.ndim <= 1 for p in plain["params"])


def test_the_published_depths_are_25_and_31_layers():
    def convolutions(network: nn.Module) -> int:
        return sum(isinstance(m, nn.Conv2d) for m in network.modules())

    assert convolutions(nets.Denoiser().net) == 25
    assert convolutions(nets.Rescnn56().net) == 31


def test_an_untrained_denoiser_changes_nothing():
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(nets.Denoiser().eval()(image), image, atol=1e-6)
