//! Printing, to the character: vectors measured on PyTorch 2.15, for the element types that arrays have.
#![allow(clippy::unwrap_used)]

use chainrule::{Array, DType, PrintOptions, Shape, Tensor, param, tensor};

fn f64s(literal: impl chainrule::Literal) -> Tensor {
    Tensor::new(literal, DType::F64).unwrap()
}

#[track_caller]
fn check(tensor: &Tensor, expected: &str) {
    assert_eq!(tensor.to_string(), expected);
}

#[test]
fn scalars() {
    for (x, expected) in [
        (3.0f64, "tensor(3.)"),
        (-12.0, "tensor(-12.)"),
        (3.5, "tensor(3.5000)"),
        (0.1, "tensor(0.1000)"),
        (1e-5, "tensor(1.0000e-05)"),
        (12345.678, "tensor(12345.6777)"),
        (123456789.0, "tensor(1.2346e+08)"),
        (1e8, "tensor(100000000.)"),
        (1.0001e8, "tensor(1.0001e+08)"),
        (100000001.0, "tensor(100000000.)"),
        (0.0, "tensor(0.)"),
        (-0.0, "tensor(-0.)"),
        (f64::NAN, "tensor(nan)"),
        (f64::INFINITY, "tensor(inf)"),
        (0.5, "tensor(0.5000)"),
        (1e-4, "tensor(1.0000e-04)"),
        (9.9e-5, "tensor(9.9000e-05)"),
        (2.5e9, "tensor(2.5000e+09)"),
        (-1.5, "tensor(-1.5000)"),
        (99999999.0, "tensor(100000000.)"),
    ] {
        check(&tensor(x), expected);
    }
    check(&tensor(7), "tensor(7)");
    check(&tensor(true), "tensor(True)");
    check(&f64s(2.0), "tensor(2., dtype=torch.float64)");
    check(&Tensor::new(2, DType::I32).unwrap(), "tensor(2, dtype=torch.int32)");
    check(&f64s(1e-4), "tensor(0.0001, dtype=torch.float64)");
    check(&f64s(9.99e-5), "tensor(9.9900e-05, dtype=torch.float64)");
}

#[test]
fn vectors() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    for (values, expected) in [
        (vec![1., 2., 3.], "tensor([1., 2., 3.])"),
        (vec![1., 2.5, 3.], "tensor([1.0000, 2.5000, 3.0000])"),
        (vec![1., 1000.], "tensor([   1., 1000.])"),
        (vec![1., 1001.], "tensor([1.0000e+00, 1.0010e+03])"),
        (vec![1.5, 1500.], "tensor([   1.5000, 1500.0000])"),
        (vec![1.5, 1501.], "tensor([1.5000e+00, 1.5010e+03])"),
        (vec![0.5, -0.25], "tensor([ 0.5000, -0.2500])"),
        (vec![1., nan], "tensor([1., nan])"),
        (vec![1.5, nan, -inf], "tensor([1.5000,    nan,   -inf])"),
        (vec![1., inf], "tensor([1., inf])"),
        (vec![1e-4, 1e-2], "tensor([1.0000e-04, 1.0000e-02])"),
        (vec![0.00009], "tensor([9.0000e-05])"),
        (vec![0.0001, 0.09], "tensor([1.0000e-04, 9.0000e-02])"),
        (vec![0., 0.], "tensor([0., 0.])"),
        (vec![0., 1e-9], "tensor([0.0000e+00, 1.0000e-09])"),
        (vec![1e10, 1.], "tensor([1.0000e+10, 1.0000e+00])"),
        (vec![1e10], "tensor([1.0000e+10])"),
        (vec![123456.], "tensor([123456.])"),
        (vec![99999.5], "tensor([99999.5000])"),
        (vec![16777216., 0.5], "tensor([1.6777e+07, 5.0000e-01])"),
        (vec![-1.5, 2.], "tensor([-1.5000,  2.0000])"),
        (vec![-1., 2.], "tensor([-1.,  2.])"),
        (vec![1000000.], "tensor([1000000.])"),
        (vec![1000000.5], "tensor([1000000.5000])"),
        (vec![0., 5e-5], "tensor([0.0000e+00, 5.0000e-05])"),
        (vec![1., 0.001], "tensor([1.0000, 0.0010])"),
        (vec![1., 0.0009], "tensor([1.0000e+00, 9.0000e-04])"),
        (vec![-0.00001], "tensor([-1.0000e-05])"),
        (vec![1e-45], "tensor([1.4013e-45])"),
        (vec![inf, -inf], "tensor([inf, -inf])"),
        (vec![1e10, nan], "tensor([1.0000e+10,        nan])"),
        (vec![2., nan, -3.], "tensor([ 2., nan, -3.])"),
        (vec![10., inf], "tensor([10., inf])"),
        (vec![0.12345], "tensor([0.1235])"),
        (vec![0.00005, 0.00015], "tensor([5.0000e-05, 1.5000e-04])"),
        (vec![1.00005], "tensor([1.0000])"),
        (vec![2.5, 1e8], "tensor([2.5000e+00, 1.0000e+08])"),
    ] {
        check(&tensor(values), expected);
    }
    check(&tensor([1, -20, 300]), "tensor([  1, -20, 300])");
    check(&tensor([true, false]), "tensor([ True, False])");
    check(&tensor([true]), "tensor([True])");
    check(&tensor([1u8, 2]), "tensor([1, 2], dtype=torch.uint8)");
    check(&f64s([1e8]), "tensor([100000000.], dtype=torch.float64)");
    check(&f64s([100000001.]), "tensor([1.0000e+08], dtype=torch.float64)");
}

#[test]
fn matrices_and_more() {
    check(&tensor([[1., 2.], [3., 4.]]), "tensor([[1., 2.],\n        [3., 4.]])");
    check(&tensor([[[1., 2.]], [[3., 4.]]]), "tensor([[[1., 2.]],\n\n        [[3., 4.]]])");
    check(
        &Tensor::arange(0., 30., 1.).unwrap(),
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n        28., 29.])",
    );
    check(
        &Tensor::arange(0., 1001., 1.).unwrap(),
        "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])",
    );
    check(&Tensor::arange(0., 1000., 1.).unwrap().slice(0, ..3).unwrap(), "tensor([0., 1., 2.])");
    check(
        &Tensor::arange(0, 1200, 1).unwrap().reshape([30, 40]).unwrap(),
        "tensor([[   0,    1,    2,  ...,   37,   38,   39],\n        [  40,   41,   42,  ...,   77,   78,   79],\n        [  80,   81,   82,  ...,  117,  118,  119],\n        ...,\n        [1080, 1081, 1082,  ..., 1117, 1118, 1119],\n        [1120, 1121, 1122,  ..., 1157, 1158, 1159],\n        [1160, 1161, 1162,  ..., 1197, 1198, 1199]])",
    );
    let block = "         [0., 0., 0.,  ..., 0., 0., 0.],\n".repeat(2);
    let slice = format!(
        "[[0., 0., 0.,  ..., 0., 0., 0.],\n{block}         ...,\n{block}         [0., 0., 0.,  ..., 0., 0., 0.]]"
    );
    let sep = ",\n\n        ";
    check(
        &Tensor::zeros([8, 8, 20]),
        &format!("tensor([{slice}{sep}{slice}{sep}{slice}{sep}...{sep}{slice}{sep}{slice}{sep}{slice}])"),
    );
    check(&Tensor::zeros([0]), "tensor([])");
    check(&Tensor::zeros([0, 3]), "tensor([], size=(0, 3))");
    check(&Tensor::from_array(Array::zeros_of([0], DType::I64)), "tensor([], dtype=torch.int64)");
    check(
        &Tensor::from_array(Array::zeros_of([2, 0], DType::F64)),
        "tensor([], size=(2, 0), dtype=torch.float64)",
    );
    check(
        &Tensor::new([[1, -2], [30, 4]], DType::I32).unwrap(),
        "tensor([[ 1, -2],\n        [30,  4]], dtype=torch.int32)",
    );
    check(
        &Tensor::linspace(0., 1., 25),
        "tensor([0.0000, 0.0417, 0.0833, 0.1250, 0.1667, 0.2083, 0.2500, 0.2917, 0.3333,\n        0.3750, 0.4167, 0.4583, 0.5000, 0.5417, 0.5833, 0.6250, 0.6667, 0.7083,\n        0.7500, 0.7917, 0.8333, 0.8750, 0.9167, 0.9583, 1.0000])",
    );
    check(
        &Tensor::full([2, 2], 1e-10),
        "tensor([[1.0000e-10, 1.0000e-10],\n        [1.0000e-10, 1.0000e-10]])",
    );
    let ones = "[1., 1., 1.,  ..., 1., 1., 1.]";
    let row = format!("        {ones}");
    check(
        &Tensor::ones([7, 200]),
        &format!("tensor([{ones},\n{row},\n{row},\n        ...,\n{row},\n{row},\n{row}])"),
    );
    let seven: Vec<String> = (0..7).map(|i| format!("[[{i}.]]")).collect();
    check(
        &Tensor::arange(0., 7., 1.).unwrap().reshape([7, 1, 1]).unwrap().expand([7, 1, 1]).unwrap(),
        &format!("tensor([{}])", seven.join(",\n\n        ")),
    );
    check(&Tensor::zeros([1001]), "tensor([0., 0., 0.,  ..., 0., 0., 0.])");
}

#[test]
fn gradients() {
    let p = || param([1., 2., 3.]);
    check(&param(1.), "tensor(1., requires_grad=True)");
    check(&(param(1.) * 2.), "tensor(2., grad_fn=<MulBackward0>)");
    check(
        &f64s([1., 2.]).requires_grad_(true).unwrap(),
        "tensor([1., 2.], dtype=torch.float64, requires_grad=True)",
    );
    check(
        &(Tensor::randn([3, 3]).requires_grad_(true).unwrap().sum().unwrap() * 0. + 1e-7),
        "tensor(1.0000e-07, grad_fn=<AddBackward0>)",
    );
    let three = "[3., 3., 3.]";
    check(
        &Tensor::ones([3, 3]).requires_grad_(true).unwrap().matmul(&Tensor::ones([3, 3])).unwrap(),
        &format!("tensor([{three},\n        {three},\n        {three}], grad_fn=<MmBackward0>)"),
    );
    let matrix = Tensor::ones([2, 3]).requires_grad_(true).unwrap();
    let columns = "[1., 1.],\n        [1., 1.],\n        [1., 1.]";
    check(&matrix.t().unwrap(), &format!("tensor([{columns}], grad_fn=<TBackward0>)"));
    check(&matrix.reshape([3, 2]).unwrap(), &format!("tensor([{columns}], grad_fn=<ViewBackward0>)"));
    let long = "[1.1235, 1.1235, 1.1235, 1.1235, 1.1235, 1.1235, 1.1235, 1.1235, 1.1235]";
    check(
        &(Tensor::from_array(Array::ones_of([2, 9], DType::F64)).requires_grad_(true).unwrap() * 1.123456),
        &format!("tensor([{long},\n        {long}],\n       dtype=torch.float64, grad_fn=<MulBackward0>)"),
    );
    let one = "[1., 1., 1.]";
    check(
        &Tensor::ones([1, 1]).requires_grad_(true).unwrap().expand([3, 3]).unwrap(),
        &format!("tensor([{one},\n        {one},\n        {one}], grad_fn=<ExpandBackward0>)"),
    );
    check(
        &param([[1., 2.], [3., 4.]]).sum_dim(&[1], false).unwrap(),
        "tensor([3., 7.], grad_fn=<SumBackward1>)",
    );
    check(&param(1.).exp().unwrap().detach(), "tensor(2.7183)");
    check(
        &(Tensor::ones([1001]).requires_grad_(true).unwrap() * 2.),
        "tensor([2., 2., 2.,  ..., 2., 2., 2.], grad_fn=<MulBackward0>)",
    );
    check(
        &Tensor::from_array(Array::full_of([1001], 1.5, DType::F64)).requires_grad_(true).unwrap(),
        "tensor([1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],\n       dtype=torch.float64, requires_grad=True)",
    );
    check(&param(3.).view(&[1]).unwrap(), "tensor([3.], grad_fn=<ViewBackward0>)");
    check(&p().select(0, 0).unwrap(), "tensor(1., grad_fn=<SelectBackward0>)");
    check(&p().sum().unwrap(), "tensor(6., grad_fn=<SumBackward0>)");
    check(&p().mean().unwrap(), "tensor(2., grad_fn=<MeanBackward0>)");
    check(&p().softmax(0).unwrap(), "tensor([0.0900, 0.2447, 0.6652], grad_fn=<SoftmaxBackward0>)");
    check(&p().pow(2.).unwrap(), "tensor([1., 4., 9.], grad_fn=<PowBackward0>)");
    check(&(p() / 2.), "tensor([0.5000, 1.0000, 1.5000], grad_fn=<DivBackward0>)");
    check(&-p(), "tensor([-1., -2., -3.], grad_fn=<NegBackward0>)");
    check(&(2. - p()), "tensor([ 1.,  0., -1.], grad_fn=<RsubBackward1>)");
    check(&p().relu().unwrap(), "tensor([1., 2., 3.], grad_fn=<ReluBackward0>)");
    check(&p().copy().unwrap(), "tensor([1., 2., 3.], grad_fn=<CloneBackward0>)");
    let zeros = Tensor::zeros([1, 3]).requires_grad_(true).unwrap();
    check(&zeros.cross_entropy(&tensor([0])).unwrap(), "tensor(1.0986, grad_fn=<NllLossBackward0>)");
    check(&param([1.]).mse_loss(&tensor([2.])).unwrap(), "tensor(1., grad_fn=<MseLossBackward0>)");
    let weight = Tensor::ones([3, 2]).requires_grad_(true).unwrap();
    let x = Tensor::ones([1, 2]);
    check(
        &x.linear(&weight, Some(&Tensor::ones([3]))).unwrap(),
        "tensor([[3., 3., 3.]], grad_fn=<AddmmBackward0>)",
    );
    check(&x.linear(&weight, None).unwrap(), "tensor([[2., 2., 2.]], grad_fn=<MmBackward0>)");
    check(
        &Tensor::cat(&[&param([1.]), &tensor([2.])], 0).unwrap(),
        "tensor([1., 2.], grad_fn=<CatBackward0>)",
    );
    check(
        &param([1., 2.]).log_softmax(0).unwrap(),
        "tensor([-1.3133, -0.3133], grad_fn=<LogSoftmaxBackward0>)",
    );
    check(&param([1., 2.]).sigmoid().unwrap(), "tensor([0.7311, 0.8808], grad_fn=<SigmoidBackward0>)");
    check(&param([1., 2.]).max().unwrap(), "tensor(2., grad_fn=<MaxBackward1>)");
    check(
        &param([1., 2.]).vector_norm(2., &[], false).unwrap(),
        "tensor(2.2361, grad_fn=<LinalgVectorNormBackward0>)",
    );
    check(&param([1., 2.]).dot(&tensor([1., 2.])).unwrap(), "tensor(5., grad_fn=<DotBackward0>)");
    check(
        &Tensor::ones([2, 2]).requires_grad_(true).unwrap().permute(&[1, 0]).unwrap(),
        "tensor([[1., 1.],\n        [1., 1.]], grad_fn=<PermuteBackward0>)",
    );
    let batch = Tensor::ones([1, 2, 2]).requires_grad_(true).unwrap();
    check(
        &batch.bmm(&Tensor::ones([1, 2, 2])).unwrap(),
        "tensor([[[2., 2.],\n         [2., 2.]]], grad_fn=<BmmBackward0>)",
    );
    check(
        &batch.permute(&[0, 2, 1]).unwrap(),
        "tensor([[[1., 1.],\n         [1., 1.]]], grad_fn=<PermuteBackward0>)",
    );
    check(&batch.flatten(0, -1).unwrap(), "tensor([1., 1., 1., 1.], grad_fn=<ViewBackward0>)");
    check(
        &param([1., 2.]).cast(DType::F64).unwrap(),
        "tensor([1., 2.], dtype=torch.float64, grad_fn=<ToCopyBackward0>)",
    );
    let forty = Tensor::ones([40]).requires_grad_(true).unwrap() * 1.5;
    let row = ["1.5000"; 9].join(", ");
    let rows = [&row[..]; 4].join(",\n        ");
    check(
        &forty,
        &format!("tensor([{rows},\n        1.5000, 1.5000, 1.5000, 1.5000], grad_fn=<MulBackward0>)"),
    );
}

#[test]
fn the_nodes_have_pytorchs_names() {
    let ones = |sizes: &[usize]| Tensor::ones(Shape::new(sizes).unwrap()).requires_grad_(true).unwrap();
    let (x, m, b) = (ones(&[3]), ones(&[3, 3]), ones(&[2, 3, 3]));
    for (y, name) in [
        (1.0 / &x, "MulBackward0"),
        (2 / &x, "MulBackward0"),
        (1.0 / &param(2.0), "MulBackward0"),
        (x.pow(&x).unwrap(), "PowBackward1"),
        (x.pow(&tensor(2.0)).unwrap(), "PowBackward1"),
        (param(2.0).pow(&tensor(2.0)).unwrap(), "PowBackward1"),
        (param(2.0).pow(2).unwrap(), "PowBackward0"),
        (b.bmm(&b).unwrap(), "BmmBackward0"),
        (b.matmul(&b).unwrap(), "UnsafeViewBackward0"),
        (b.matmul(&x).unwrap(), "UnsafeViewBackward0"),
        (x.matmul(&m).unwrap(), "SqueezeBackward4"),
        (Tensor::stack(&[&x, &x], 0).unwrap(), "StackBackward0"),
        (m.tril(0).unwrap(), "TrilBackward0"),
        (m.triu(-1).unwrap(), "TriuBackward0"),
        (m.flip(&[0, 1]).unwrap(), "FlipBackward0"),
        (m.roll(&[1], &[0]).unwrap(), "RollBackward0"),
        (m.roll(&[1], &[]).unwrap(), "RollBackward0"),
    ] {
        assert_eq!(y.grad_fn().unwrap().name(), name, "{y}");
    }
}

#[test]
fn options() {
    let narrow = PrintOptions { precision: 2, line_width: 40, ..PrintOptions::default() };
    let x = Tensor::arange(0., 12., 1.).unwrap() * 1.5;
    assert_eq!(
        x.format_with(&narrow),
        "tensor([ 0.00,  1.50,  3.00,  4.50,\n         6.00,  7.50,  9.00, 10.50,\n        12.00, 13.50, 15.00, 16.50])"
    );
    let fixed = PrintOptions { scientific: Some(false), ..PrintOptions::default() };
    assert_eq!(tensor([1e-9, 1e9]).format_with(&fixed), "tensor([         0.0000, 1000000000.0000])");
    let scientific = PrintOptions { scientific: Some(true), ..PrintOptions::default() };
    assert_eq!(tensor([1., 2.]).format_with(&scientific), "tensor([1.0000e+00, 2.0000e+00])");
    assert_eq!(tensor([1.5]).format_with(&PrintOptions::default()), "tensor([1.5000])");
}

#[test]
fn options_in_their_corners() {
    // Without elements to show, PyTorch says the shape; without finite ones, nothing is scientific.
    let bare = PrintOptions { edge_items: 0, threshold: 3, ..PrintOptions::default() };
    assert_eq!(tensor([1.0, 2.0, 3.0, 4.0]).format_with(&bare), "tensor([...], size=(4,))");
    assert_eq!(Tensor::ones([2, 3]).format_with(&bare), "tensor([...], size=(2, 3))");
    assert_eq!(tensor(1.5).format_with(&bare), "tensor(1.5000, size=())");
    let scientific = PrintOptions { scientific: Some(true), ..PrintOptions::default() };
    assert_eq!(tensor([0.0, f64::INFINITY]).format_with(&scientific), "tensor([0., inf])");
    assert_eq!(tensor([0.0, 1.0]).format_with(&scientific), "tensor([0.0000e+00, 1.0000e+00])");
}

#[test]
fn numbers_beside_bytes_and_truths() {
    let bytes = Tensor::from_vec(vec![255u8, 3], [2]).unwrap();
    // The quotient is a float; every other result stays a byte, and wraps.
    check(&bytes.div(-3).unwrap(), "tensor([-85.,  -1.])");
    check(&bytes.add(-3).unwrap(), "tensor([252,   0], dtype=torch.uint8)");
    check(&tensor([true, false]).eq(false).unwrap(), "tensor([False,  True])");
    check(&tensor([1.5, 2.0]).add(true).unwrap(), "tensor([2.5000, 3.0000])");
}
